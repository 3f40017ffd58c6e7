"""What a table's columns hold, and how their texts are read."""

from __future__ import annotations

from dataclasses import dataclass, replace

DURATION = "duration"  # the pattern of a column whose texts are durations; its numbers are seconds


@dataclass(frozen=True)
class ColumnPlan:
    """A column as it is loaded.

    Attributes:
        source: Its name in the source.
        name: Its name in the table.
        type: ``integer``, ``number``, ``text``, ``boolean``, ``date`` or ``datetime``.
        told: Whether the type is declared, so that another value is a mistake of the row.
        pattern: How dates are written, as for strftime, if not as ISO 8601; or :data:`DURATION`.
        sure: Whether values that have not been read cannot change the plan.
        why: Why the column is text although its values look like something else; for users.
    """

    source: str
    name: str
    type: str
    told: bool = False
    pattern: str | None = None
    sure: bool = True
    why: str = ""

    def as_text(self, why: str) -> ColumnPlan:
        """Return the plan of the column as text."""
        return replace(self, type="text", pattern=None, sure=True, why=why)


@dataclass(frozen=True)
class Plan:
    """How a table is loaded.

    Attributes:
        columns: The columns that are loaded, in the source's order.
        missing: Words that mean a missing value in every column.
    """

    columns: tuple[ColumnPlan, ...]
    missing: tuple[str, ...] = ()


class Deviates(Exception):
    """A value does not have the type that the first rows show.

    Attributes:
        column: The column's name in the source.
        text: The value.
    """

    def __init__(self, column: str, text: str) -> None:
        super().__init__(f"{column}: {text!r}")
        self.column, self.text = column, text
