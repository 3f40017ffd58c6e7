"""What all readers of CSV files share."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any, BinaryIO

import pandas as pd
import pyarrow as pa

from mlpipes_cli.data import column_types, numbers
from mlpipes_cli.data.formats import Formats
from mlpipes_cli.data.header import Header, Unreadable, lines_of, ragged_line
from mlpipes_cli.data.numbers import InferredStyle, Style
from mlpipes_cli.data.read_warnings import Remark

SAMPLE = 1000  # rows by which the numbers' style is judged at first
_CELLS = 200_000  # at most in such a sample
_MARKS = {"\t": "tabs"}


def lines(raw: BinaryIO, separator: str, rows: Collection[int]) -> dict[int, int]:
    """Where rows stand in the file, by their numbers from 0."""
    raw.seek(0)
    return lines_of(raw, Header((), separator), set(rows))


def parse(raw: BinaryIO, header: Header, **options: Any) -> Any:
    """What pandas makes of a CSV file.

    Raises:
        Unreadable: It is no CSV file.
    """
    try:
        return pd.read_csv(
            raw, sep=header.separator, encoding="utf-8-sig", engine="c", index_col=False,
            **{"low_memory": False} | options,
        )  # fmt: skip
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise broken(error) from None


def broken(error: Exception) -> Unreadable:
    """What is wrong with a file that pandas cannot read."""
    if isinstance(error, UnicodeDecodeError):
        return Unreadable(f"is not UTF-8 ({error.reason}); save it as UTF-8")
    message = str(error)
    found = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", message)
    if found:
        expected, line, seen = found.groups()
        return Unreadable(f"line {line} has {seen} fields, but the header has {expected}")
    return Unreadable(
        f"is not a valid CSV file ({message.removeprefix('Error tokenizing data. C error: ').strip()})"
    )


def texts(raw: BinaryIO, header: Header, formats: Formats, **options: Any) -> Any:
    """All columns as they are written; the empty cell is missing, and the words that are set to be."""
    raw.seek(0)
    gaps = {"keep_default_na": formats.before, "na_values": ["", *formats.missing]}
    return parse(raw, header, dtype=str, **gaps, **options)


def sample_rows(header: Header) -> int:
    """How many rows a sample has at most."""
    return max(min(SAMPLE, _CELLS // max(len(header.columns), 1)), 20)


def sample(raw: BinaryIO, header: Header, formats: Formats) -> pd.DataFrame:
    """The first rows as they are written; none where the file breaks early, which the reading then tells."""
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
    """How the numbers of columns of text are written."""
    cells = [column_types.trimmed(column_types.texts_of(column)) for column in columns]
    filled = [texts.filter(pa.array(~column_types.hollow(texts))) for texts in cells]
    return numbers.infer(filled, separator, formats.decimal, formats.thousands, hint, least)


def about_style(style: Style, separator: str) -> list[Remark]:
    """How a file is written, where that is not how most are."""
    mark = f"separated by {_MARKS.get(separator, repr(separator))}" if separator != "," else ""
    said = ", ".join(filter(None, [mark, "" if style == numbers.PLAIN else style.words]))
    return [Remark(said)] if said else []


def unsure(inferred: InferredStyle, column: pd.Series) -> Remark:
    """That a number may be another one, and how to say which."""
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
    """A line that is too short leaves a gap in the last column, so only then are lines counted.

    Raises:
        Unreadable: There is such a line.
    """
    if not last.isna().any():
        return
    raw.seek(0)
    if (found := ragged_line(raw, header)) is not None:
        raise Unreadable(f"line {found[0]} has {found[1]} fields, but the header has {len(header.columns)}")
