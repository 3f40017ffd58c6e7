"""Judges whether the first line of a CSV file names the columns or is a row already.

A name may be a number: a year, a wavelength, 0 to n as pandas writes them. So a number alone refuses nothing.
What does: cells that stand again in their own column beside numbers, dates above dates, a number that the
next rows count on from, numbers in no order, and numbers that lie among those of their own columns.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from mlpipes_cli.data.formats import PLACEHOLDERS

LOOKED_AT = 50  # rows below the first line
_NUMBER = re.compile(r"[+-]?(?:\d[\d' .,\u00a0\u202f]*|[.,]\d+)(?:[eE][+-]?\d+)?")
_DATE = re.compile(
    r"(?:\d{4}-\d{1,2}-\d{1,2}|\d{4}/\d{1,2}/\d{1,2}|\d{1,2}([./-])\d{1,2}\1\d{2,4})(?:[ T]\d{1,2}:\d{2}.*)?"
)
_COUNTED = 3  # rows that count on from the first line
_ENOUGH = 5  # values of a column whose range says something
_YEARS = range(1800, 2201)
_COLUMNS = 1000  # that are looked at
_SHOWN = 4  # cells in a line


@dataclass(frozen=True)
class Verdict:
    """What the first line of a file is taken for.

    Attributes:
        is_row: Whether it is a row, beyond doubt.
        why: Why it is or may be a row; empty for names.
    """

    is_row: bool = False
    why: str = ""


NAMES = Verdict()


@dataclass(frozen=True)
class _Cell:
    """A cell of the first line, and the values of its column below, without missing ones."""

    text: str
    below: tuple[str, ...]

    @property
    def number_above_numbers(self) -> bool:
        return _is_number(self.text) and bool(self.below) and all(map(_is_number, self.below))

    @property
    def date_above_dates(self) -> bool:
        return _is_date(self.text) and bool(self.below) and all(map(_is_date, self.below))

    @property
    def again(self) -> bool:
        return not (_is_number(self.text) or _is_date(self.text)) and self.text in self.below

    @property
    def among(self) -> bool:
        """Whether the number is among those below."""
        values = [value for text in self.below if (value := _value(text)) is not None]
        mine = _value(self.text)
        return mine is not None and len(values) >= _ENOUGH and min(values) <= mine <= max(values)

    @property
    def counted_on(self) -> bool:
        mine = _value(self.text)
        return mine is not None and [_value(text) for text in self.below[:_COUNTED]] == [
            mine + 1 + at for at in range(_COUNTED)
        ]


def judged(first: Sequence[str], rows: Sequence[Sequence[str]]) -> Verdict:
    """Return what the first line is taken for.

    Args:
        first: Its cells.
        rows: The first records below it; a row that equals the first line is left out.
    """
    rows = [row for row in rows if list(row) != list(first)]  # a repeated first line says nothing
    cells = [
        _Cell(text.strip(), _present([row[at].strip() for row in rows if at < len(row)]))
        for at, text in enumerate(first[:_COLUMNS])
    ]
    cells = [cell for cell in cells if cell.text and cell.text.lower() not in PLACEHOLDERS]
    numbers = [cell for cell in cells if cell.number_above_numbers]
    dates = [cell.text for cell in cells if cell.date_above_dates]
    again = [cell.text for cell in cells if cell.again]
    if dates:
        return Verdict(True, _listed(dates, "is a date as those below", "are dates as those below"))
    if again and (numbers or len(again) > 1):
        repeated = _listed(again, "stands again in its column", "stand again in their columns")
        shown = [cell.text for cell in numbers]
        more = f", and {_listed(shown, 'is a number', 'are numbers')}" if numbers else ""
        return Verdict(True, repeated + more)
    if not numbers:
        why = _listed(again, "stands again in its column", "")
        return Verdict(False, why if again else "")
    return _of_numbers(numbers, len(numbers) == len(cells))


def _of_numbers(cells: Sequence[_Cell], alone: bool) -> Verdict:
    """Return the verdict on a line with numbers; ``alone`` if it has nothing else."""
    texts = [cell.text for cell in cells]
    values = [_value(text) for text in texts]
    known = [value for value in values if value is not None]
    why = _listed(texts, "is a number", "are numbers")
    from_0_or_1 = bool(known) and known[0] in (0, 1) and known == [known[0] + at for at in range(len(values))]
    if cells[0].counted_on and not (alone and from_0_or_1):
        return Verdict(True, f"the next rows count on from {texts[0]!r}")
    regular = len(known) == len(values) and _regular(known)
    ordered = len(known) == len(values) and _ordered(known)
    if regular:
        return Verdict(False, why)
    if alone or (len(cells) > 1 and (not ordered or all(cell.among for cell in cells))):
        return Verdict(True, why)
    return Verdict(False, why)


def _regular(values: Sequence[float]) -> bool:
    """Return whether numbers are years in order, or in equal steps."""
    if all(value in _YEARS for value in values) and _ordered(values):
        return True
    steps = [after - before for before, after in pairwise(values)]
    if not steps:
        return values[0] in (0, 1)
    even = all(abs(step - steps[0]) <= 1e-6 * abs(steps[0]) for step in steps)
    return even and steps[0] != 0 and (len(steps) > 1 or abs(steps[0]) == 1)


def _ordered(values: Sequence[float]) -> bool:
    pairs = list(pairwise(values))
    return all(one < other for one, other in pairs) or all(one > other for one, other in pairs)


def _present(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(text for text in texts if text and text.lower() not in PLACEHOLDERS)


def _is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None and not _is_date(text)


def _is_date(text: str) -> bool:
    return _DATE.fullmatch(text) is not None


def _value(text: str) -> float | None:
    for plain in (text, text.replace(",", ".")):
        try:
            return float(plain)
        except ValueError:
            continue
    return None


def _listed(texts: Sequence[str], one: str, several: str) -> str:
    shown = ", ".join(map(repr, texts[:_SHOWN])) + (", ..." if len(texts) > _SHOWN else "")
    return f"{shown} {one if len(texts) == 1 else several}"
