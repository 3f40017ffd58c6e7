"""What a reader says about a table: how it was read, and what is odd in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

_SHOWN = 5  # columns in a line


@dataclass(frozen=True)
class Remark:
    """One line.

    Attributes:
        text: Without the place.
        column: Which one, or empty.
        row: Of the first value that it is about, from 0, or None.
        warning: It wants attention.
    """

    text: str
    column: str = ""
    row: int | None = None
    warning: bool = False

    def line(self, shown: str, place: Callable[[int], str]) -> str:
        """The whole line about a file of that name; ``place`` says where a row is."""
        column = f"column {self.column!r}" if self.column else ""
        where = place(self.row) if self.row is not None else ""
        return ": ".join(filter(None, [shown, ", ".join(filter(None, [column, where])), self.text]))


@dataclass(frozen=True)
class Hole:
    """A word that stands for missing values in a column of numbers, booleans or dates.

    Attributes:
        word: As it is written first.
        column: Where.
        rows: In so many rows.
        first: The first of them, from 0.
        exact: Whether empty cells are not among the rows.
    """

    word: str
    column: str
    rows: int
    first: int
    exact: bool = True


def rows(count: int) -> str:
    """The number in words."""
    return "1 row" if count == 1 else f"{count} rows"


def of_holes(holes: Iterable[Hole]) -> list[Remark]:
    """A line for each word."""
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
    """A line for the columns that are codes, by what shows it."""
    found = []
    for reason in dict.fromkeys(columns.values()):
        names = [name for name in columns if columns[name] == reason]
        found.append(_read_as_text(names, f"codes ({reason})"))
    return found


def of_numbers_as_text(names: Sequence[str]) -> list[Remark]:
    """A line for the columns of text that hold numbers alone; none where there are none."""
    return [_read_as_text(names, "numbers as text")] if names else []


def _read_as_text(names: Sequence[str], what: str) -> Remark:
    shown = ", ".join(map(repr, names[:_SHOWN])) + (", ..." if len(names) > _SHOWN else "")
    word = "column" if len(names) == 1 else "columns"
    verb = "holds" if len(names) == 1 else "hold"
    return Remark(
        f"{word} {shown} {verb} {what}, read as text; `types: {{{names[0]}: number}}` reads numbers"
    )


def of_infinite(columns: Mapping[str, int]) -> list[Remark]:
    """A line for the columns with infinite numbers, by how many rows have one."""
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
