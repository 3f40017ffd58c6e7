"""Reads the first lines of a CSV file with the standard library alone."""

from __future__ import annotations

import csv
import io
import re
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TextIO

from mlpipes_cli.data.columns import twice
from mlpipes_cli.data.csv_files import first_line
from mlpipes_cli.data.csv_files.first_line import NAMES
from mlpipes_cli.data.formats import Names
from mlpipes_cli.data.readers.encodings import KINDS
from mlpipes_cli.data.readers.opening import not_opened as not_opened
from mlpipes_cli.data.readers.opening import open_text
from mlpipes_cli.data.readers.unreadable import NoNames
from mlpipes_cli.data.readers.unreadable import Unreadable as Unreadable

_SEPARATORS = ",;\t|"
MOST_HEADER = 16 * 2**20  # bytes of a first line; a longer one is no header
MOST_COLUMNS = 100_000
_EXCELS_NOTE = re.compile(r"sep=.?")
_DECIMAL = re.compile(r"\s*[+-]?\d+,\d+\s*")
_PAGES = (b"<!doctype", b"<html", b"<?xml")
_LOOKED_AT = 50  # records from which the separator is inferred
UNNAMED = "column_{}"  # the columns of a file without names, from 1
csv.field_size_limit(2**31 - 1)  # a cell may hold an image as text; the library's own limit is 128 KiB


@dataclass(frozen=True)
class Header:
    """The first line of a CSV file.

    Attributes:
        columns: The column names; an unnamed one is named as in pandas: ``Unnamed: 3``.
        separator: The field separator.
        quote: The character that quotes fields.
        in_file: Whether the first line has the names; otherwise it is a row.
        doubt: Why a line of names may be a row; empty if it is none.
    """

    columns: tuple[str, ...]
    separator: str
    quote: str = '"'
    in_file: bool = True
    doubt: str = ""

    @property
    def warning(self) -> str:
        """A warning of a first line that may be a row; empty without doubt."""
        taken = f"line 1 is taken for the names of columns, although {self.doubt}"
        return f"{taken}; `header: false` reads it as a row, `header: true` settles it" if self.doubt else ""


def open_plain(path: Path, encoding: str | None = None) -> BinaryIO:
    """Open a CSV file for reading bytes of UTF-8: decompressed, whatever its encoding is.

    Raises:
        Unreadable: It has an unknown encoding; on reading, if it is broken or expands beyond the limit.
        OSError: The file cannot be opened.
    """
    return open_text(path, encoding)


def read_header(
    path: Path,
    separator: str | None = None,
    *,
    rows_needed: bool = True,
    encoding: str | None = None,
    quote: str | None = None,
    names: Names = None,
    judge: bool = True,
) -> Header:
    """Read and check the first lines of a local CSV file.

    Args:
        path: The file.
        separator: The field separator; inferred if not given.
        rows_needed: Whether a header without rows is an error.
        encoding: Its encoding; inferred if not given.
        quote: The character that quotes fields, if not a double quote.
        names: The setting ``header``.
        judge: Whether a first line that is a row beyond doubt is refused.

    Raises:
        Unreadable: No permission, not CSV, not UTF-8, empty, or an invalid header.
    """
    try:
        with open_plain(path, encoding) as raw:
            return header_of(raw, separator, rows_needed=rows_needed, quote=quote, names=names, judge=judge)
    except OPENING as error:
        raise not_opened(error) from None


OPENING = (OSError, EOFError, zlib.error)


def header_of(
    raw: BinaryIO,
    separator: str | None = None,
    *,
    rows_needed: bool = True,
    quote: str | None = None,
    names: Names = None,
    judge: bool = True,
) -> Header:
    """Read and check the first lines as :func:`read_header` does, from an open file.

    Args:
        raw: The open file, at its beginning.
        separator: The field separator, if known.
        rows_needed: Whether a header without rows is an error.
        quote: The character that quotes fields, if not a double quote.
        names: The setting ``header``.
        judge: Whether a first line that is a row beyond doubt is refused.
    """
    start = raw.read(8192)
    _check_kind(start)
    _check_length(raw)
    text = io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")
    try:
        return _parse(text, separator, rows_needed, quote or '"', names, judge)
    except UnicodeDecodeError as error:
        raise Unreadable(f"is not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from None
    except csv.Error as error:
        raise Unreadable(f"is not a valid CSV file ({error})") from None
    finally:
        text.detach()


def _check_kind(start: bytes) -> None:
    if not start.strip(b"\r\n\t \xef\xbb\xbf"):
        raise Unreadable("is empty")
    for magic, kind in KINDS.items():
        if start.startswith(magic):
            raise Unreadable(f"is not a CSV file but {kind}")
    if start.removeprefix(b"\xef\xbb\xbf").lstrip()[:9].lower().startswith(_PAGES):
        raise Unreadable("is not a CSV file but a web page")
    if b"\0" in start:
        raise Unreadable("is not a CSV file but a binary file")


def _check_length(raw: BinaryIO) -> None:
    """Check the length of the first line before it is split, and go back to the beginning."""
    raw.seek(0)
    if len(raw.readline(MOST_HEADER + 1)) > MOST_HEADER:
        raise Unreadable(f"has more than {MOST_HEADER >> 20} MB in its first line, so it has no header")
    raw.seek(0)


def _parse(
    text: TextIO, separator: str | None, rows_needed: bool, quote: str, names: Names, judge: bool
) -> Header:
    separator = separator or _separator(text, quote)
    text.seek(0)
    records = rows(text, separator, quote)
    _, first = next(records, (1, []))
    if len(first) > MOST_COLUMNS:
        raise Unreadable(f"has {len(first)} columns; at most {MOST_COLUMNS} are read")
    if first:
        first[0] = first[0].lstrip("\ufeff")  # files that were joined may have two byte order marks
        if _EXCELS_NOTE.fullmatch(note := separator.join(first)):
            raise Unreadable(f"line 1 is Excel's note of the separator ({note}); remove the line")
    if (told := _told(first, names)) is not None:
        return Header(told, separator, quote, in_file=False)
    columns = tuple(name if name else f"Unnamed: {at}" for at, name in enumerate(first))
    repeated = twice(columns)
    judge = names is None and (judge or bool(repeated))
    below = list(islice(records, first_line.LOOKED_AT if judge else 1))
    verdict = first_line.judged(first, [record for _, record in below]) if judge else NAMES
    if verdict.is_row:
        raise NoNames(f"line 1 is a row and not the names of columns: {verdict.why}")
    if repeated:
        raise Unreadable(f"duplicate column names: {', '.join(map(repr, repeated))}; rename them")
    number, second = below[0] if below else (0, [])
    if not second and rows_needed:
        raise Unreadable("has a header but no rows")
    if len(second) > len(columns):
        raise Unreadable(f"line {number} has {len(second)} fields, but the header has {len(columns)}")
    return Header(columns, separator, quote, doubt=verdict.why)


def _told(first: list[str], names: Names) -> tuple[str, ...] | None:
    """Return the names that the settings give; None if the first line has them.

    A line of nothing but such names is a header, too: rows to score may come with one.
    """
    if names is None or names is True or not first:
        return None
    told = tuple(UNNAMED.format(at) for at in range(1, len(first) + 1)) if names is False else tuple(names)
    if set(first) <= set(told):
        return None
    if len(first) != len(told):
        reason = f"line 1 has {len(first)} fields, but `header` has {len(told)} names"
        raise Unreadable(f"{reason}; add a line with the names of these columns")
    return told


def _separator(text: TextIO, quote: str) -> str:
    """Return the separator that splits the first records into the most fields, the same number in each.

    If none does, return the first that occurs in the first line. Of two that do, the comma loses, since
    numbers may contain it; it loses, too, where each of its fields is a part of a number of the other's.
    """
    fields = {}
    for separator in _SEPARATORS:
        text.seek(0)
        lengths = {len(record) for _, record in islice(rows(text, separator, quote), _LOOKED_AT)}
        fields[separator] = lengths.pop() if len(lengths) == 1 else 0
    best = max(_SEPARATORS, key=lambda char: (fields[char], char != ","))
    if best == "," and (other := _between_decimal_commas(text, fields, quote)):
        return other
    if fields[best] > 1:
        return best
    text.seek(0)
    line = next((line for line in text if line.strip()), "")
    return max(_SEPARATORS, key=lambda char: (line.count(char) > 0, -_SEPARATORS.index(char)))


def _between_decimal_commas(text: TextIO, fields: dict[str, int], quote: str) -> str:
    """Return the separator of a file all of whose commas are those of decimal numbers; else an empty text."""
    for separator in _SEPARATORS.replace(",", ""):
        if fields[separator] > 1:
            text.seek(0)
            cells = [
                cell for _, record in islice(rows(text, separator, quote), _LOOKED_AT) for cell in record
            ]
            if all(_DECIMAL.fullmatch(cell) for cell in cells if "," in cell):
                return separator
    return ""


def rows(text: TextIO, separator: str, quote: str = '"') -> Iterator[tuple[int, list[str]]]:
    """Yield the records that are not blank, each with the number of its last line."""
    reader = csv.reader(text, delimiter=separator, quotechar=quote)
    for record in reader:
        if record:
            yield reader.line_num, record


def ragged_line(raw: BinaryIO, header: Header) -> tuple[int, int] | None:
    """Return the line and the number of fields of the first record that is not as long as the header."""
    text = io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")
    try:
        for number, record in rows(text, header.separator, header.quote):
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
        start = -1 if header.in_file else 0
        records = enumerate(islice(rows(text, header.separator, header.quote), max(wanted) + 2), start)
        return {row: number for row, (number, _) in records if row in wanted}
    finally:
        text.detach()
