"""Tables with types to load: Parquet files, workbooks, and rows that were fetched."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mlpipes_cli.data.columns import twice
from mlpipes_cli.data.readers.inputs import BadLine, first_rows
from mlpipes_cli.data.readers.unreadable import Unreadable

_ROWS = 65_536  # of a batch
_BUFFER = 1 << 20  # bytes of a column that are read at once
_KEPT = 10_000  # characters of a bad row that are kept


class ArrowInput:
    """Keeps :class:`~mlpipes_cli.data.readers.inputs.Input` for rows with types.

    Args:
        shown: Its name in messages.
        schema: The columns.
        batches: Yields the rows from their beginning.
        digest: The SHA-256 of the content.
        path: The file that the rows are read from, if it is one.
    """

    texts = False
    place = "row"
    wrong = 0
    size: int | None = None

    def __init__(
        self,
        shown: str,
        schema: pa.Schema,
        batches: Callable[[], Iterator[pa.RecordBatch]],
        digest: Callable[[], str],
        path: Path | None = None,
    ) -> None:
        self.path = path
        self.shown, self._schema, self._batches, self._digest = shown, schema, batches, digest
        if repeated := twice(list(schema.names)):
            raise Unreadable(f"duplicate column names: {', '.join(map(repr, repeated))}; rename them")
        if not schema.names:
            raise Unreadable("has no columns")

    def names(self) -> list[str]:
        return list(self._schema.names)

    def schema(self) -> pa.Schema:
        return self._schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        return self._batches()

    def head(self, rows: int) -> tuple[pa.RecordBatch | None, bool]:
        return first_rows(self.batches(), rows)

    def places(self, rows: Collection[int], *, left_out: bool, most: int | None = None) -> Iterator[BadLine]:
        wanted, start, last = set(rows), 0, max(rows, default=-1)
        for batch in self.batches():
            for row in range(batch.num_rows):
                if start + row in wanted:
                    content = json.dumps(batch.slice(row, 1).to_pylist()[0], default=str, ensure_ascii=False)
                    yield BadLine(start + row, start + row + 1, content[:_KEPT])
            start += batch.num_rows
            if start > last:
                return

    def digest(self) -> str:
        return self._digest()


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as raw:
        return hashlib.file_digest(raw, "sha256").hexdigest()


def parquet(path: Path, shown: str) -> ArrowInput:
    """Open a Parquet file.

    Raises:
        Unreadable: It is none.
    """
    try:
        with pq.ParquetFile(path) as opened:
            schema = opened.schema_arrow
    except (pa.ArrowException, OSError) as error:
        raise Unreadable(f"is not a valid Parquet file ({' '.join(str(error).split())[:120]})") from None
    schema = without_index(schema)

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            with pq.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER) as file:  # not a whole row group
                for batch in file.iter_batches(_ROWS, columns=schema.names):
                    yield batch.select(schema.names)
        except (pa.ArrowException, OSError) as error:
            raise Unreadable(f"is not a valid Parquet file ({' '.join(str(error).split())[:120]})") from None

    return ArrowInput(shown, schema.remove_metadata(), batches, lambda: digest_of(path), path)


def without_index(schema: pa.Schema) -> pa.Schema:
    """Return the schema without pandas' unnamed index, which no reader takes for a column."""
    kept = [name for name in schema.names if not name.startswith("__index_level_")]
    return pa.schema([schema.field(name) for name in kept]) if len(kept) < len(schema.names) else schema
