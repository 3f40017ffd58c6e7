"""Reads a CSV file in batches of texts, as fast as its bytes come, with memory that does not grow.

Arrow splits the lines; what the texts mean is decided by the same inference as in
:mod:`~mlpipes_cli.data.csv_files.csv_frame`.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Collection, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from mlpipes_cli.data.csv_files import quotes
from mlpipes_cli.data.csv_files.header import OPENING, Header, not_opened, open_plain, read_header
from mlpipes_cli.data.formats import Formats
from mlpipes_cli.data.readers.unreadable import Unreadable

BLOCK = 1 << 20  # bytes of a batch; Arrow reads up to 32 of them ahead
_LONGEST = 64 << 20  # bytes of a row
_TAIL = 65_536  # bytes at the end in which an open quote is looked for
_KEPT = 10_000  # characters of a bad line that are kept


@dataclass(frozen=True)
class Line:
    """A line of a file that is wrong.

    Attributes:
        number: The line on which the record ends, from 1.
        content: The record as fields joined by the separator.
        fields: How many fields it has.
    """

    number: int
    content: str
    fields: int


@dataclass
class CsvBatches:
    """A CSV file, read in batches of texts; each call of :meth:`batches` begins anew.

    Attributes:
        path: The file.
        formats: The settings.
        ragged: The number of records with too few or too many fields that the last reading has met.
        digest: SHA-256 of the text as UTF-8, once a reading has come to the end.
    """

    path: Path
    formats: Formats
    ragged: int = field(default=0, init=False)
    digest: str | None = field(default=None, init=False)
    _header: Header | None = field(default=None, init=False)

    @property
    def header(self) -> Header:
        """The header; read once.

        Raises:
            Unreadable: The file is not a CSV file.
        """
        if self._header is None:
            told = self.formats
            self._header = read_header(
                self.path,
                told.separator,
                rows_needed=False,
                encoding=told.encoding,
                quote=told.quote,
                names=told.header,
            )
        return self._header

    def batches(self, block: int | None = None) -> Generator[pa.RecordBatch]:
        """Yield the rows as texts, an empty text for an empty cell; ragged records are counted, not yielded.

        Args:
            block: About how many bytes are read at once.

        Raises:
            Unreadable: The file is not a CSV file.
        """
        self.ragged = 0
        block = block or BLOCK
        done = 0
        while True:
            try:
                for batch in self._read(block, done):
                    done += batch.num_rows
                    yield batch
                return
            except _TooLong:
                if block >= _LONGEST:
                    raise self._too_long() from None
                block, self.ragged = _LONGEST, 0

    def _read(self, block: int, skipped: int) -> Iterator[pa.RecordBatch]:
        try:
            with closing(open_plain(self.path, self.formats.encoding)) as raw:
                for batch in self._parsed(raw, block):
                    if skipped >= batch.num_rows:
                        skipped -= batch.num_rows
                        continue
                    yield batch.slice(skipped)
                    skipped = 0
        except OPENING as error:
            raise not_opened(error) from None

    def _parsed(self, raw: BinaryIO, block: int) -> Iterator[pa.RecordBatch]:
        import pyarrow.csv as arrow

        names = [f"c{at}" for at in range(len(self.header.columns))]
        parse = arrow.ParseOptions(
            delimiter=self.header.separator,
            quote_char=self.header.quote,
            newlines_in_values=True,
            invalid_row_handler=self._ragged,
        )
        read = arrow.ReadOptions(use_threads=True, block_size=block, column_names=names)
        convert = arrow.ConvertOptions(
            column_types=dict.fromkeys(names, pa.large_string()), strings_can_be_null=False
        )
        first, last, tail = self.header.in_file, None, _Tail(raw)
        try:
            with arrow.open_csv(
                tail, read_options=read, parse_options=parse, convert_options=convert
            ) as opened:
                for batch in opened:
                    if first and batch.num_rows:
                        batch, first = batch.slice(1), False  # the header
                    if batch.num_rows:
                        last = batch
                        yield pa.RecordBatch.from_arrays(batch.columns, names=list(self.header.columns))
        except pa.ArrowInvalid as error:
            said = str(error)
            if "straddl" in said or "too small" in said:
                raise _TooLong from None
            raise Unreadable(f"is not a valid CSV file ({' '.join(said.split())[:150]})") from None

        if not tail.read(1):
            self.digest = tail.digest.hexdigest()
        if last is not None and tail.is_quoted(str(last.column(-1)[-1]), self.header.quote):
            with closing(open_plain(self.path, self.formats.encoding)) as again:
                raise quotes.not_closed(again, self.header)

    def _too_long(self) -> Unreadable:
        with closing(open_plain(self.path, self.formats.encoding)) as raw:
            if quotes.open_quote(raw, self.header) is None:
                return Unreadable(f"a row is longer than {_LONGEST >> 20} MB, which is the limit")
        with closing(open_plain(self.path, self.formats.encoding)) as raw:
            return quotes.not_closed(raw, self.header)

    def _ragged(self, row: Any) -> str:
        self.ragged += 1
        return "skip"

    def lines(
        self, rows: Collection[int], *, ragged: bool, most: int | None = None
    ) -> Iterator[tuple[int | None, Line]]:
        """Yield the records of some rows, and those with a wrong number of fields, in the file's order.

        Args:
            rows: Rows by number from 0, of those that :meth:`batches` yields.
            ragged: Whether to yield ragged records; their row is None.
            most: The most ragged records to yield; None for all.
        """
        wanted, row, told = set(rows), -1, 0
        last = max(wanted, default=-1)
        width = len(self.header.columns)
        with closing(open_plain(self.path, self.formats.encoding)) as raw:
            text = io.TextIOWrapper(raw, encoding="utf-8-sig", newline="", errors="replace")
            reader = csv.reader(text, delimiter=self.header.separator, quotechar=self.header.quote)
            header = self.header.in_file
            for record in reader:
                if not record:
                    continue
                if header:
                    header = False
                    continue
                if len(record) != width:
                    told += 1
                    if ragged and (most is None or told <= most):
                        yield None, self._line(reader.line_num, record)
                else:
                    row += 1
                    if row in wanted:
                        yield row, self._line(reader.line_num, record)
                if row >= last and (not ragged or (most is not None and told >= most)):
                    return

    def _line(self, number: int, record: list[str]) -> Line:
        made = io.StringIO()
        csv.writer(
            made, delimiter=self.header.separator, quotechar=self.header.quote, lineterminator="\r\n"
        ).writerow(record)
        return Line(number, made.getvalue().removesuffix("\r\n")[:_KEPT], len(record))


class _Tail:
    """A file for Arrow that knows its last bytes, and the hash of all that was read."""

    closed = False

    def __init__(self, raw: BinaryIO) -> None:
        self._raw, self._last, self.digest = raw, b"", hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        some = self._raw.read(size)
        if some:
            self.digest.update(some)
            self._last = some[-_TAIL:] if len(some) >= _TAIL else (self._last + some)[-_TAIL:]
        return some

    def is_quoted(self, cell: str, quote: str) -> bool:
        """Return whether the file ends within the quotes of its last cell."""
        raw = (quote + cell.replace(quote, 2 * quote)).encode()
        return len(cell) > 0 and self._last.endswith(raw[-_TAIL:])

    def close(self) -> None:
        """Leave the file open: who opened it closes it."""


class _TooLong(Exception):
    """A row does not fit into a block."""
