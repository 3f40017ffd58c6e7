"""Notes and warnings of a reader: how a table was read, and what is unusual in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

_SHOWN = 5  # columns in a line


@dataclass(frozen=True)
class Remark:
    """A one-line remark.

    Attributes:
        text: The text without the location.
        column: The column that it is about, or empty.
        row: The row of the first value that it is about, from 0, or None.
        warning: Whether it is a warning, not a note.
    """

    text: str
    column: str = ""
    row: int | None = None
    warning: bool = False

    def line(self, shown: str, place: Callable[[int], str]) -> str:
        """Return the whole line about a file of that name; ``place`` formats a row's location."""
        column = f"column {self.column!r}" if self.column else ""
        where = place(self.row) if self.row is not None else ""
        return ": ".join(filter(None, [shown, ", ".join(filter(None, [column, where])), self.text]))


@dataclass(frozen=True)
class Hole:
    """A placeholder for missing values in a column of numbers, booleans or dates.

    Attributes:
        word: The placeholder as first written.
        column: The column's name.
        rows: The number of rows with it.
        first: The first of them, from 0.
        exact: Whether ``rows`` does not include empty cells.
    """

    word: str
    column: str
    rows: int
    first: int
    exact: bool = True


def rows(count: int) -> str:
    """Return a number of rows in words."""
    return "1 row" if count == 1 else f"{count} rows"


def of_holes(holes: Iterable[Hole]) -> list[Remark]:
    """Return a remark for each placeholder."""
    by_word: dict[str, list[Hole]] = {}
    for hole in holes:
        by_word.setdefault(hole.word, []).append(hole)
    return [_of_word(word, found) for word, found in by_word.items()]


def _of_word(word: str, found: Sequence[Hole]) -> Remark:
    count = sum(hole.rows for hole in found)
    most = "" if all(hole.exact for hole in found) else "at most "
    where = f"{most}{rows(count)}"
    if len(found) > 1:
        where = f"{most}{count} cells of {len(found)} columns, for example"
    return Remark(f"{word!r} is read as a missing value in {where}", found[0].column, found[0].first)


def of_codes(columns: Mapping[str, str]) -> list[Remark]:
    """Return a remark on the columns that hold codes for each reason."""
    found = []
    for reason in dict.fromkeys(columns.values()):
        names = [name for name in columns if columns[name] == reason]
        found.append(_read_as_text(names, f"codes ({reason})"))
    return found


def of_numbers_as_text(names: Sequence[str]) -> list[Remark]:
    """Return a remark on the text columns that hold only numbers; none if there are no such columns."""
    return [_read_as_text(names, "numbers as text")] if names else []


def _read_as_text(names: Sequence[str], what: str) -> Remark:
    shown = ", ".join(map(repr, names[:_SHOWN])) + (", ..." if len(names) > _SHOWN else "")
    word = "column" if len(names) == 1 else "columns"
    verb = "holds" if len(names) == 1 else "hold"
    return Remark(
        f"{word} {shown} {verb} {what}, read as text; `types: {{{names[0]}: number}}` reads numbers"
    )


def of_infinite(columns: Mapping[str, int]) -> list[Remark]:
    """Return a warning about the columns with infinite numbers, with the number of rows that have one."""
    if not columns:
        return []
    shown = ", ".join(f"{name!r} ({rows(count)})" for name, count in list(columns.items())[:_SHOWN])
    more = len(columns) - _SHOWN
    return [
        Remark(
            f"infinite numbers count as missing values, in training and in what the model is asked: {shown}"
            + (f", and {more} more columns" if more > 0 else ""),
            warning=True,
        )
    ]
