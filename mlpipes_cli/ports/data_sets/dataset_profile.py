"""What a loaded table is like: the figures of each column, and its relation with the target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Histogram:
    """How many rows have a number or a moment between two edges.

    Attributes:
        edges: One more than bins; seconds since 1970 for dates and moments.
        rows: Rows from each edge up to the next; the last bin has its upper edge too.
    """

    edges: Sequence[float]
    rows: Sequence[int]


@dataclass(frozen=True)
class TopValue:
    """A value and its rows.

    Attributes:
        value: As text, cut after 500 characters.
        rows: How many rows have it.
    """

    value: str
    rows: int


@dataclass(frozen=True)
class TargetGroup:
    """Rows with the same value, or values of one range.

    Attributes:
        label: The value or the range.
        rows: Rows of the sample.
        mean: The mean of the target, or the share of the class that :class:`TargetProfile` names.
    """

    label: str
    rows: int
    mean: float


@dataclass(frozen=True)
class Relation:
    """How a column goes with the target.

    Attributes:
        measure: ``roc_auc``, ``spearman``, ``correlation_ratio`` or ``cramers_v``.
        value: Its value; None if the rows do not tell.
        groups: The target by value or range of the column.
    """

    measure: str
    value: float | None
    groups: Sequence[TargetGroup] = ()

    @property
    def strength(self) -> float:
        """From 0, no relation, to 1, whatever the measure and the direction."""
        if self.value is None:
            return 0.0
        return abs(2 * self.value - 1) if self.measure == "roc_auc" else abs(self.value)


@dataclass(frozen=True)
class TargetProfile:
    """The column that the others are compared with.

    Attributes:
        column: Its name.
        task: ``binary``, ``multiclass`` or ``regression``.
        level: The class whose share is shown: the positive one, or the most frequent of several; None for
            numbers.
        mean: The share of that class, or the mean.
        rows: Rows of the sample, without those whose target is missing.
        sampled: Whether these are a part of the rows only.
    """

    column: str
    task: str
    level: str | None
    mean: float
    rows: int
    sampled: bool


@dataclass(frozen=True)
class ColumnProfile:
    """The figures of a column.

    Attributes:
        column: Its name.
        type: Its type.
        role: ``key``, ``target``, ``time`` or ``group``, as the file has it; else empty.
        missing: Rows without a value.
        distinct: Different values.
        min: The smallest finite number, or the earliest moment as ISO text.
        max: The largest, or the latest.
        mean: Of finite numbers.
        sd: Their standard deviation, with ``n - 1``.
        quantiles: The quartiles, of the same kind as ``min``.
        not_finite: Numbers that are infinite or NaN, and moments that are infinite.
        histogram: Of finite numbers and moments.
        top: The most frequent values, equal ones by their text.
        relation: With the target, if there is one.
        hints: What in it is likely a mistake.
    """

    column: str
    type: str
    role: str
    missing: int
    distinct: int
    min: Any = None
    max: Any = None
    mean: float | None = None
    sd: float | None = None
    quantiles: Sequence[Any] | None = None
    not_finite: int = 0
    histogram: Histogram | None = None
    top: Sequence[TopValue] = ()
    relation: Relation | None = None
    hints: Sequence[str] = ()


@dataclass(frozen=True)
class TableProfile:
    """The figures of a raw table.

    Attributes:
        load: The newest load.
        rows: Its rows.
        repeated: Rows whose values an earlier row has too.
        target: What the columns are compared with, if anything.
        columns: Its columns, in order.
    """

    load: int
    rows: int
    repeated: int
    target: TargetProfile | None
    columns: Sequence[ColumnProfile]


@dataclass(frozen=True)
class TargetSummary:
    """What a loaded table says of its target.

    Attributes:
        task: ``binary``, ``multiclass`` or ``regression``.
        positive: The positive class of two, unless an experiment names the other.
        classes: Rows of each class, by its label as text, in the order of the labels; of a regression, none.
        missing: Rows without a value.
        sampled: Rows in which columns were compared with it.
        leaks: By what a column alone gives the target away, by its name.
    """

    task: str
    positive: str | None
    classes: Mapping[str, int]
    missing: int
    sampled: int
    leaks: Mapping[str, str]
