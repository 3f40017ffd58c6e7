"""Functions that all readers of CSV files share."""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd
import pyarrow as pa

from mlpipes_cli.data import column_types
from mlpipes_cli.data.csv_files import numbers, quotes
from mlpipes_cli.data.csv_files.header import Header, Unreadable, lines_of, ragged_line
from mlpipes_cli.data.csv_files.numbers import InferredStyle, Style
from mlpipes_cli.data.csv_files.read_warnings import Remark
from mlpipes_cli.data.formats import Formats
from mlpipes_cli.data.readers.encodings import FALLBACK, UTF8
from mlpipes_cli.data.readers.opening import encoding_of

SAMPLE = 1000  # rows from which the number style is inferred at first
_CELLS = 200_000  # the most cells in such a sample
_MARKS = {"\t": "tabs"}


class Unbroken(io.RawIOBase):
    """A reader of a file's bytes that refuses a NUL byte: pandas' parser drops the rest of its cell."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._at = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        content = self._raw.read(len(buffer))
        if (found := content.find(b"\0")) >= 0:
            raise Unreadable(f"has a NUL byte at byte {self._at + found}, so it is damaged or no text")
        self._at += len(content)
        buffer[: len(content)] = content
        return len(content)


def lines(raw: BinaryIO, header: Header, rows: Collection[int]) -> dict[int, int]:
    """Return the lines of the file on which rows are, by row number from 0."""
    raw.seek(0)
    return lines_of(raw, header, set(rows))


def parse(raw: BinaryIO, header: Header, **options: Any) -> Any:
    """Parse a CSV file with pandas.

    Raises:
        Unreadable: The file is not a CSV file.
    """
    named = {} if header.in_file else {"header": None, "names": list(header.columns)}
    try:
        return pd.read_csv(
            Unbroken(raw), sep=header.separator, quotechar=header.quote, encoding="utf-8-sig", engine="c",
            index_col=False, **{"low_memory": False} | named | options,
        )  # fmt: skip
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise broken(error, raw, header) from None


def broken(error: Exception, raw: BinaryIO, header: Header) -> Unreadable:
    """Describe why pandas cannot read a file."""
    if isinstance(error, UnicodeDecodeError):
        return Unreadable(f"is not UTF-8 ({error.reason}); save it as UTF-8")
    message = str(error)
    if "EOF inside string" in message:
        raw.seek(0)
        return quotes.not_closed(raw, header)
    found = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", message)
    if found:
        expected, line, seen = found.groups()
        return Unreadable(f"line {line} has {seen} fields, but the header has {expected}")
    return Unreadable(
        f"is not a valid CSV file ({message.removeprefix('Error tokenizing data. C error: ').strip()})"
    )


def texts(raw: BinaryIO, header: Header, formats: Formats, **options: Any) -> Any:
    """Read all columns as text; empty cells and the words of ``missing`` are missing values."""
    raw.seek(0)
    gaps = {"keep_default_na": formats.before, "na_values": ["", *formats.missing]}
    return parse(raw, header, dtype=str, **gaps, **options)


def sample_rows(header: Header) -> int:
    """Return the maximum number of rows of a sample."""
    return max(min(SAMPLE, _CELLS // max(len(header.columns), 1)), 20)


def sample(raw: BinaryIO, header: Header, formats: Formats) -> pd.DataFrame:
    """Read the first rows as text; return no rows if the file is broken, which the full read reports."""
    try:
        found: pd.DataFrame = texts(raw, header, formats, nrows=sample_rows(header))
    except Unreadable:
        found = pd.DataFrame({name: pd.Series([], dtype="str") for name in header.columns})
    return found


def style_of(
    columns: Sequence[pd.Series],
    separator: str,
    formats: Formats,
    hint: Style | None = None,
    least: float = numbers.MOST,
) -> InferredStyle:
    """Infer the number style of text columns."""
    cells = [column_types.trimmed(column_types.texts_of(column)) for column in columns]
    filled = [texts.filter(pa.array(~column_types.hollow(texts))) for texts in cells]
    return numbers.infer(filled, separator, formats.decimal, formats.thousands, hint, least)


def about_encoding(path: Path, formats: Formats) -> list[Remark]:
    """Return a warning that a file is not UTF-8, with the encoding in which it is read.

    Raises:
        Unreadable: It has an unknown encoding.
    """
    name = encoding_of(path) if formats.encoding is None else UTF8
    if name == UTF8:
        return []
    sure = "" if name != FALLBACK else ", a guess; save the file as UTF-8 if letters come out wrong"
    return [Remark(f"is not UTF-8 and is read as {name}{sure}", warning=name == FALLBACK)]


def about_style(style: Style, separator: str) -> list[Remark]:
    """Return remarks on an unusual separator or number style of a file."""
    mark = f"separated by {_MARKS.get(separator, repr(separator))}" if separator != "," else ""
    said = ", ".join(filter(None, [mark, "" if style == numbers.PLAIN else style.words]))
    return [Remark(said)] if said else []


def unsure(inferred: InferredStyle, column: pd.Series) -> Remark:
    """Return a warning that a number is ambiguous, with the setting that reads it differently."""
    shown, style = inferred.example, inferred.style
    read = numbers.plain(pa.array([shown]), style)[0].as_py()
    marks = {mark for mark in shown if mark in ".,"}
    mark = marks.pop()
    other = f"`decimal: {mark!r}`" if style.decimal != mark else f"`thousands: {mark!r}`"
    row = int((column.str.strip() == shown).to_numpy().argmax())
    text = f"{shown!r} is read as {read} ({style.words}), which the file does not confirm"
    text += f"; {other} reads it differently"
    return Remark(text, str(column.name), row, warning=True)


def check_lengths(raw: BinaryIO, last: pd.Series, header: Header) -> None:
    """Check that no line is too short.

    Only a gap in the last column can hide one, so lines are counted only then.

    Raises:
        Unreadable: A line has too few or too many fields.
    """
    if not last.isna().any():
        return
    raw.seek(0)
    if (found := ragged_line(raw, header)) is not None:
        raise Unreadable(f"line {found[0]} has {found[1]} fields, but the header has {len(header.columns)}")
