"""Infers what a column of text holds: numbers, booleans, dates, durations, codes, or text.

All values of a column count. In a column that otherwise holds numbers, booleans, dates or durations, the
words of :data:`~mlpipes_cli.data.formats.PLACEHOLDERS` are missing values; in a column of text only an empty
cell is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mlpipes_cli.data.csv_files import date_formats, numbers, read_warnings
from mlpipes_cli.data.csv_files.numbers import Style, matches
from mlpipes_cli.data.csv_files.read_warnings import Hole, Remark
from mlpipes_cli.data.formats import PLACEHOLDERS, Formats

_LOOKED_AT = 1000  # values that are sampled from a column to see whether it is text
FLAG = "^(?i:true|false)$"
DIGITS = r"^[+-]?\d+$"
LEADING_ZERO = r"^[+-]?0\d"
_SHORTEST_INEXACT = 16  # digits of 2**53
ZEROS, LONG = "digits with leading zeros", "digits that float64 cannot represent exactly"


class WrongValue(Exception):
    """A value differs from what the settings declare for its column; the row counts from 0."""

    def __init__(self, row: int, text: str) -> None:
        super().__init__(text)
        self.row = row


@dataclass
class TypedColumn:
    """A column with its inferred type and the remarks about it.

    Attributes:
        values: float64, object of booleans and None, datetime64[us], or text.
        holes: Placeholders for missing values.
        codes: Why the column counts as codes; empty if it does not.
        remarks: Remarks to report.
        date: The strftime pattern of its dates, unless they are ISO 8601.
    """

    values: pd.Series
    holes: list[Hole] = field(default_factory=list)
    codes: str = ""
    remarks: list[Remark] = field(default_factory=list)
    date: str | None = None


@dataclass(frozen=True)
class _Cells:
    """The cells of a column without surrounding whitespace.

    Attributes:
        texts: (n,) as in the source; missing values are null.
        holes: (n,) booleans: empty, or a placeholder.
    """

    texts: pa.Array
    holes: np.ndarray

    def all_are(self, regex: str) -> bool:
        return bool((matches(self.texts, regex) | self.holes).all())

    def present(self) -> pa.Array:
        """Return (n,) texts in which the cells of ``holes`` are missing."""
        return pc.if_else(pa.array(self.holes), None, self.texts)


def texts_of(values: pd.Series) -> pa.Array:
    """Convert a column of text to an Arrow array."""
    made = pa.array(values, type=pa.large_string(), from_pandas=True)
    return made.combine_chunks() if isinstance(made, pa.ChunkedArray) else made


def trimmed(texts: pa.Array) -> pa.Array:
    """Strip surrounding whitespace."""
    return pc.utf8_trim_whitespace(texts)


def hollow(texts: pa.Array) -> np.ndarray:
    """Return (n,) booleans that mark empty and missing cells and placeholders in trimmed texts."""
    known = pc.is_in(pc.utf8_lower(texts), value_set=pa.array(["", *sorted(PLACEHOLDERS)], pa.large_string()))
    return np.asarray(pc.or_(pc.is_null(texts), pc.fill_null(known, False)).to_numpy(zero_copy_only=False))


def read(values: pd.Series, style: Style, formats: Formats) -> TypedColumn:
    """Infer the type of a column of text and convert the column.

    Raises:
        WrongValue: A value does not have the type or date pattern that ``types`` or ``dates`` declare.
    """
    name = str(values.name)
    if formats.types.get(name) == "text":
        return TypedColumn(values)
    if name in formats.dates:
        return _dates_as_said(values, formats.dates[name])
    forced = formats.types.get(name) == "number"
    if not forced and not may_be_more(values):
        return TypedColumn(values)
    texts = trimmed(texts_of(values))
    cells = _Cells(texts, hollow(texts))
    if cells.holes.all():
        return _made(values, cells, np.full(len(values), np.nan))
    number = numbers.pattern(style)
    if forced:
        return _forced(values, cells, style)
    for regex, make in _KINDS:
        if cells.all_are(regex):
            return make(values, cells)
    if cells.all_are(number):
        return _numbers(values, cells, style)
    if (other := _style_of(cells)) is not None:
        text = f"its numbers have another format ({other.words}) than the rest of the file ({style.words})"
        remark = f"{text}, so the column stays text; `types: {{{name}: number}}` reads numbers"
        return TypedColumn(values, remarks=[Remark(remark, name, int(np.argmin(cells.holes)), warning=True)])
    return TypedColumn(values, remarks=_strays(name, cells, number))


def _style_of(cells: _Cells) -> Style | None:
    """Return the simplest style in which all cells are numbers."""
    return next((style for style in numbers.STYLES if cells.all_are(numbers.pattern(style))), None)


def may_be_more(values: pd.Series) -> bool:
    """Return whether a sample from all over a column of text looks like anything but text."""
    return _most(values, (numbers.LOOKS_LIKE_ONE, *(regex for regex, _ in _KINDS)))


def may_be_numbers(values: pd.Series) -> bool:
    """Return whether a sample from all over a column of text looks like numbers of some style."""
    return _most(values, (numbers.LOOKS_LIKE_ONE,))


def are_numbers_as_text(values: pd.Series) -> bool:
    """Return whether a column of text from a typed source holds only numbers, and no codes."""
    is_text = isinstance(values.dtype, pd.StringDtype) or (
        values.dtype == object and pd.api.types.infer_dtype(values, skipna=True) == "string"
    )
    if not is_text or not may_be_numbers(values):
        return False
    texts = trimmed(texts_of(values))
    cells = _Cells(texts, hollow(texts))
    return not cells.holes.all() and _style_of(cells) is not None and not code(cells.present())


def _most(values: pd.Series, regexes: Sequence[str]) -> bool:
    present = values.dropna()
    step = max(len(present) // _LOOKED_AT, 1)
    texts = trimmed(texts_of(present.iloc[::step]))
    rest = ~hollow(texts)
    return not rest.any() or any(matches(texts, regex)[rest].mean() >= numbers.MOST for regex in regexes)


def words_among_numbers(values: pd.Series, style: Style) -> dict[str, int]:
    """Return the placeholders in a text column that otherwise holds numbers, with the first row of each."""
    texts = trimmed(texts_of(values))
    cells = _Cells(texts, hollow(texts))
    if cells.holes.all() or not cells.all_are(numbers.pattern(style)) or code(cells.present()):
        return {}
    return {hole.word: hole.first for hole in holes(str(values.name), cells.texts, cells.holes)}


def _numbers(values: pd.Series, cells: _Cells, style: Style) -> TypedColumn:
    if reason := code(cells.present()):
        return TypedColumn(values, codes=reason, remarks=_words_among_codes(str(values.name), cells))
    return _made(values, cells, numbers.floats(numbers.plain(cells.present(), style)))


def code(texts: pa.Array) -> str:
    """Return why a column of digits counts as codes; empty if it does not."""
    if not matches(texts.drop_null(), DIGITS).all():
        return ""
    if matches(texts, LEADING_ZERO).any():
        return ZEROS
    long = texts.filter(pc.fill_null(pc.greater_equal(pc.utf8_length(texts), _SHORTEST_INEXACT), False))
    return LONG if any(_is_inexact(text) for text in long.to_pylist()) else ""


def _is_inexact(text: str) -> bool:
    digits = text.lstrip("+-").lstrip("0")
    return len(digits) > _SHORTEST_INEXACT or (digits != "" and int(digits) > numbers.EXACT)


def _words_among_codes(name: str, cells: _Cells) -> list[Remark]:
    words = holes(name, cells.texts, cells.holes)
    return [
        Remark(
            f"{hole.word!r} is kept as a value in a column of codes ({read_warnings.rows(hole.rows)}); "
            f"`missing: [{hole.word!r}]` makes it a missing value",
            name,
            hole.first,
            warning=True,
        )
        for hole in words
    ]


def _forced(values: pd.Series, cells: _Cells, style: Style) -> TypedColumn:
    if not cells.all_are(numbers.pattern(style)):
        style = _style_of(cells) or style
    fits = matches(cells.texts, numbers.pattern(style)) | cells.holes
    if not fits.all():
        row = int(np.argmin(fits))
        raise WrongValue(row, f"{cells.texts[row].as_py()!r} is not a number, as `types` requires")
    return _made(values, cells, numbers.floats(numbers.plain(cells.present(), style)))


def _flags(values: pd.Series, cells: _Cells) -> TypedColumn:
    lower = pc.utf8_lower(cells.present()).to_pylist()
    flags = [None if word is None else word == "true" for word in lower]
    return _made(values, cells, np.array(flags, dtype=object))


def _durations(values: pd.Series, cells: _Cells) -> TypedColumn:
    return _made(values, cells, date_formats.seconds(cells.present()))


def _dates(values: pd.Series, cells: _Cells) -> TypedColumn:
    name, present = str(values.name), cells.present()
    first = date_formats.order(present)
    if first in ("unclear", "mixed"):
        return TypedColumn(values, remarks=[_unclear(name, present, first)])
    found = date_formats.read(date_formats.iso(present, first) if first else present)
    wrong = found.isna().to_numpy() & ~cells.holes
    if wrong.any():
        row = int(wrong.argmax())
        text = f"{present[row].as_py()!r} is not a valid date, so the column stays text"
        return TypedColumn(values, remarks=[Remark(text, name, row, warning=True)])
    made = _made(values, cells, found.to_numpy())
    if first:
        row = int(matches(present, date_formats.THREE_NUMBERS).argmax())
        made.date = date_formats.written(first, date_formats.mark(present[row].as_py()))
        made.remarks.append(Remark(f"dates with the {first} first, such as {present[row].as_py()}", name))
    return made


def _unclear(name: str, present: pa.Array, first: str) -> Remark:
    row = int(matches(present, date_formats.THREE_NUMBERS).argmax())
    shown = present[row].as_py()
    if first == "mixed":
        return Remark(
            "mixes dates with the day first and dates with the month first, so it stays text", name, row, True
        )
    day, month = (date_formats.written(kind, date_formats.mark(shown)) for kind in ("day", "month"))
    return Remark(
        f"dates such as {shown} may have the day or the month first, so the column stays text; "
        f"set `dates: {{{name}: {day!r}}}` or `{month!r}`",
        name,
        row,
        warning=True,
    )


def _dates_as_said(values: pd.Series, written: str) -> TypedColumn:
    texts = trimmed(texts_of(values))
    cells = _Cells(texts, hollow(texts))
    found = date_formats.read_as(cells.present(), written)
    wrong = found.isna().to_numpy() & ~cells.holes
    if wrong.any():
        row = int(wrong.argmax())
        raise WrongValue(
            row, f"{texts[row].as_py()!r} is not a date in the format {written!r}, as `dates` requires"
        )
    return _made(values, cells, found.to_numpy())


_KINDS: tuple[tuple[str, Callable[[pd.Series, _Cells], TypedColumn]], ...] = (
    (FLAG, _flags),
    (date_formats.DATE, _dates),
    (date_formats.DURATION, _durations),
)


def _made(values: pd.Series, cells: _Cells, found: np.ndarray) -> TypedColumn:
    made: Any = pd.Series(found, index=values.index, name=values.name)
    return TypedColumn(made, holes=holes(str(values.name), cells.texts, cells.holes))


def holes(name: str, texts: pa.Array, empty: np.ndarray) -> list[Hole]:
    """Return the words among the cells that are empty or placeholders, with their counts."""
    worded = empty & (pc.fill_null(pc.utf8_length(texts), 0).to_numpy(zero_copy_only=False) > 0)
    at = np.flatnonzero(worded)
    words = np.asarray(texts.take(pa.array(at)).to_numpy(zero_copy_only=False), dtype=object)
    numbered, distinct = pd.factorize(words)
    return [
        Hole(str(word), name, int((numbered == position).sum()), int(at[numbered == position][0]))
        for position, word in enumerate(distinct)
    ]


def _strays(name: str, cells: _Cells, number: str) -> list[Remark]:
    """Return a warning if nearly all values are numbers, dates or flags, and some words are not."""
    rest = ~cells.holes
    for regex, kind in ((number, "numbers"), (date_formats.DATE, "dates"), (FLAG, "true and false")):
        fits = matches(cells.texts, regex)
        if fits[rest].mean() < numbers.MOST:
            continue
        at = np.flatnonzero(rest & ~fits)
        word, count = str(cells.texts[int(at[0])].as_py()), len(at)
        others = len(set(cells.texts.take(pa.array(at)).to_pylist())) - 1
        same = int((np.asarray(cells.texts.take(pa.array(at)).to_pylist(), dtype=object) == word).sum())
        more = f", and {others} other strings in {read_warnings.rows(count - same)}" if others else ""
        return [
            Remark(
                f"{word!r} ({read_warnings.rows(same)}{more}) among {int(fits.sum())} {kind}, so the column "
                f"stays text; if it means a missing value, set `missing: [{word!r}]`; "
                f"if the column is text, `types: {{{name}: text}}`",
                name,
                int(at[0]),
                warning=True,
            )
        ]
    return []
