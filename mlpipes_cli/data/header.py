"""Reads the first lines of a CSV file with the standard library alone."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TextIO

from mlpipes_cli.data.columns import twice

_KINDS = {
    b"PAR1": "a Parquet file",
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\x1f\x8b": "compressed with gzip (name it .csv.gz)",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"%PDF": "a PDF",
    b"\xff\xfe": "in UTF-16 (save it as UTF-8)",
    b"\xfe\xff": "in UTF-16 (save it as UTF-8)",
}
_UNPACKED, _TIMES = 64 * 2**20, 200  # bytes to which a compressed file may expand, or times its own size
_SEPARATORS = ",;\t|"
MOST_HEADER = 16 * 2**20  # bytes of a first line; a longer one is no header
MOST_COLUMNS = 100_000
_EXCELS_NOTE = re.compile(r"sep=.?")
_LOOKED_AT = 50  # records from which the separator is inferred
csv.field_size_limit(2**31 - 1)  # a cell may hold an image as text; the library's own limit is 128 KiB


class Unreadable(Exception):
    """A file does not have the format of its extension; the text gives the reason."""

    def of(self, shown: str) -> str:
        """Return the whole message about a file of that name."""
        text = str(self)
        return f"{shown} {text}" if text.startswith(("is ", "has ")) else f"{shown}: {text}"


@dataclass(frozen=True)
class Header:
    """The first line of a CSV file.

    Attributes:
        columns: The column names; an unnamed one is named as in pandas: ``Unnamed: 3``.
        separator: The field separator.
    """

    columns: tuple[str, ...]
    separator: str


class _Unpacked(gzip.GzipFile):
    """A compressed file that refuses to expand to more than 64 MB and more than 200 times its size."""

    def __init__(self, raw: BinaryIO, size: int) -> None:
        super().__init__(fileobj=raw, mode="rb")
        self.myfileobj = raw  # type: ignore[assignment]  # closed with this object
        self._most = max(_UNPACKED, _TIMES * size)

    def read(self, size: int | None = -1) -> bytes:
        return self._checked(super().read(size))

    def read1(self, size: int = -1) -> bytes:
        return self._checked(super().read1(size))

    def _checked(self, some: bytes) -> bytes:
        if self.tell() > self._most:
            raise Unreadable(
                f"unpacks to more than {self._most >> 20} MB, over {_TIMES} times its size; unpack it first"
            )
        return some


def open_plain(path: Path) -> BinaryIO:
    """Open a file for reading bytes, decompressed if its name ends in .gz.

    Raises:
        Unreadable: On reading, if it expands beyond the limit.
        OSError: The file cannot be opened.
    """
    raw = path.open("rb")
    return unpacked(raw, path.stat().st_size) if path.name.lower().endswith(".gz") else raw


def unpacked(raw: BinaryIO, size: int) -> BinaryIO:
    """Return the content of a file that gzip compressed; closing it closes the file.

    Args:
        raw: The compressed file.
        size: Its bytes.

    Raises:
        Unreadable: On reading, if it expands beyond the limit.
    """
    return _Unpacked(raw, size)  # type: ignore[return-value]


def read_header(path: Path, separator: str | None = None, *, rows_needed: bool = True) -> Header:
    """Read and check the first lines of a local CSV file.

    Args:
        path: The file.
        separator: The field separator; inferred if not given.
        rows_needed: Whether a header without rows is an error.

    Raises:
        Unreadable: No permission, not CSV, not UTF-8, empty, or an invalid header.
    """
    try:
        with open_plain(path) as raw:
            return header_of(raw, separator, rows_needed=rows_needed)
    except OPENING as error:
        raise not_opened(error) from None


OPENING = (OSError, EOFError, zlib.error)


def not_opened(error: BaseException) -> Unreadable:
    """Describe why a file cannot be opened or decompressed."""
    if isinstance(error, FileNotFoundError):
        return Unreadable("no such file")
    if isinstance(error, PermissionError):
        return Unreadable("permission denied; check the file's mode")
    if isinstance(error, (gzip.BadGzipFile, EOFError, zlib.error)):
        return Unreadable(f"is not a complete gzip file ({error})")
    return Unreadable(((isinstance(error, OSError) and error.strerror) or str(error)).lower())


def header_of(raw: BinaryIO, separator: str | None = None, *, rows_needed: bool = True) -> Header:
    """Read and check the first lines as :func:`read_header` does, from an open file.

    Args:
        raw: The open file, at its beginning.
        separator: The field separator, if known.
        rows_needed: Whether a header without rows is an error.
    """
    start = raw.read(8192)
    _check_kind(start)
    _check_length(raw)
    text = io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")
    try:
        return _parse(text, separator, rows_needed)
    except UnicodeDecodeError as error:
        raise Unreadable(f"is not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from None
    except csv.Error as error:
        raise Unreadable(f"is not a valid CSV file ({error})") from None
    finally:
        text.detach()


def _check_kind(start: bytes) -> None:
    if not start.strip(b"\r\n\t \xef\xbb\xbf"):
        raise Unreadable("is empty")
    for magic, kind in _KINDS.items():
        if start.startswith(magic):
            raise Unreadable(f"is not a CSV file but {kind}")
    if b"\0" in start:
        raise Unreadable("is not a CSV file but a binary file")


def _check_length(raw: BinaryIO) -> None:
    """Check the length of the first line before it is split, and go back to the beginning."""
    raw.seek(0)
    if len(raw.readline(MOST_HEADER + 1)) > MOST_HEADER:
        raise Unreadable(f"has more than {MOST_HEADER >> 20} MB in its first line, so it has no header")
    raw.seek(0)


def _parse(text: TextIO, separator: str | None, rows_needed: bool) -> Header:
    separator = separator or _separator(text)
    text.seek(0)
    records = rows(text, separator)
    _, first = next(records, (1, []))
    if len(first) > MOST_COLUMNS:
        raise Unreadable(f"has {len(first)} columns; at most {MOST_COLUMNS} are read")
    if first:
        first[0] = first[0].lstrip("\ufeff")  # files that were joined may have two byte order marks
        if _EXCELS_NOTE.fullmatch(note := separator.join(first)):
            raise Unreadable(f"line 1 is Excel's note of the separator ({note}); remove the line")
    columns = tuple(name if name else f"Unnamed: {at}" for at, name in enumerate(first))
    if repeated := twice(columns):
        raise Unreadable(f"duplicate column names: {', '.join(map(repr, repeated))}; rename them")
    number, second = next(records, (0, []))
    if not second and rows_needed:
        raise Unreadable("has a header but no rows")
    if len(second) > len(columns):
        raise Unreadable(f"line {number} has {len(second)} fields, but the header has {len(columns)}")
    return Header(columns, separator)


def _separator(text: TextIO) -> str:
    """Return the separator that splits the first records into the most fields, the same number in each.

    If none does, return the first that occurs in the first line. Of two that do, the comma loses, since
    numbers may contain it.
    """
    fields = {}
    for separator in _SEPARATORS:
        text.seek(0)
        lengths = {len(record) for _, record in islice(rows(text, separator), _LOOKED_AT)}
        fields[separator] = lengths.pop() if len(lengths) == 1 else 0
    best = max(_SEPARATORS, key=lambda char: (fields[char], char != ","))
    if fields[best] > 1:
        return best
    text.seek(0)
    line = next((line for line in text if line.strip()), "")
    return max(_SEPARATORS, key=lambda char: (line.count(char) > 0, -_SEPARATORS.index(char)))


def rows(text: TextIO, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the records that are not blank, each with the number of its last line."""
    reader = csv.reader(text, delimiter=separator)
    for record in reader:
        if record:
            yield reader.line_num, record


def ragged_line(raw: BinaryIO, header: Header) -> tuple[int, int] | None:
    """Return the line and the number of fields of the first record that is not as long as the header."""
    text = io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")
    try:
        for number, record in rows(text, header.separator):
            if len(record) != len(header.columns):
                return number, len(record)
    finally:
        text.detach()
    return None


def lines_of(raw: BinaryIO, header: Header, wanted: Collection[int]) -> dict[int, int]:
    """Return the lines on which rows end, by row number from 0; stop after the last requested row."""
    if not wanted:
        return {}
    text = io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")
    try:
        records = enumerate(islice(rows(text, header.separator), max(wanted) + 2), -1)
        return {row: number for row, (number, _) in records if row in wanted}
    finally:
        text.detach()
