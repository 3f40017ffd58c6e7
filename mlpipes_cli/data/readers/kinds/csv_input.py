"""A CSV file to load."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path

import pyarrow as pa

from mlpipes_cli.data.csv_files.header import OPENING, not_opened, open_plain
from mlpipes_cli.data.formats import Formats
from mlpipes_cli.data.readers.inputs import BadLine, first_rows
from mlpipes_cli.data.readers.kinds.csv_batches import CsvBatches
from mlpipes_cli.data.readers.opening import encoding_of

_HEAD = 1 << 18  # bytes that are parsed at once for the first rows


class CsvInput:
    """Keeps :class:`~mlpipes_cli.data.readers.inputs.Input` for a CSV file."""

    texts = True
    place = "line"

    def __init__(self, path: Path, shown: str, formats: Formats) -> None:
        self.path, self.shown, self.formats = path, shown, formats
        self.file = CsvBatches(path, formats)
        self.size: int | None = path.stat().st_size  # of what is read, even if the file is gone afterwards

    @property
    def wrong(self) -> int:
        """How many records have too few or too many fields."""
        return self.file.ragged

    @property
    def separator(self) -> str:
        """The separator between fields."""
        return self.file.header.separator

    @property
    def encoding(self) -> str:
        """The encoding."""
        return self.formats.encoding or encoding_of(self.path)

    def names(self) -> list[str]:
        return list(self.file.header.columns)

    def schema(self) -> pa.Schema:
        return pa.schema([(name, pa.large_string()) for name in self.names()])

    def batches(self) -> Iterator[pa.RecordBatch]:
        return self.file.batches()

    def head(self, rows: int) -> tuple[pa.RecordBatch | None, bool]:
        with closing(self.file.batches(_HEAD)) as batches:
            return first_rows(batches, rows)

    def places(self, rows: Collection[int], *, left_out: bool, most: int | None = None) -> Iterator[BadLine]:
        width = len(self.file.header.columns)
        for row, line in self.file.lines(rows, ragged=left_out, most=most):
            reason = "" if row is not None else f"{line.fields} fields, but the header has {width}"
            yield BadLine(row, line.number, line.content, reason)

    def digest(self) -> str:
        """Return the hash of the decompressed text in UTF-8."""
        if self.file.digest is not None:
            return self.file.digest
        found = hashlib.sha256()
        try:
            with closing(open_plain(self.path, self.formats.encoding)) as raw:
                while block := raw.read(1 << 20):
                    found.update(block)
        except OPENING as error:
            raise not_opened(error) from None
        return found.hexdigest()
