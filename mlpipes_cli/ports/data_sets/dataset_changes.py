"""What changed from one version of a data set to another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class RowChanges:
    """The rows in which two versions differ.

    Attributes:
        by: How rows were compared: by their ``key``, or by their ``content``.
        added: Rows that only the later version has.
        removed: Rows that only the earlier version has.
        changed: Rows of the same key with other values or in another part; without a key, rows of the same
            content in another part.
        columns: In how many of the changed rows each column differs.
        examples: Keys of up to five changed rows.
    """

    by: str
    added: int
    removed: int
    changed: int
    columns: Mapping[str, int]
    examples: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Summary:
    """The distribution of a column in one version.

    Attributes:
        missing: The share of missing values.
        distinct: The number of different values.
        mean: Of numbers.
        sd: Their standard deviation.
        quantiles: Their minimum, quartiles and maximum.
        top: The shares of the most frequent values, of other types.
    """

    missing: float
    distinct: int
    mean: float | None = None
    sd: float | None = None
    quantiles: Sequence[float] | None = None
    top: Mapping[str, float] | None = None


@dataclass(frozen=True)
class ColumnChange:
    """How a column moved from one version to another.

    Attributes:
        column: Its name.
        old_type: Its type in the earlier version.
        new_type: Its type in the later one.
        old: Its distribution in the earlier version.
        new: Its distribution in the later one.
        measure: ``ks``, the two-sample Kolmogorov-Smirnov statistic, or ``tv``, the total variation.
        distance: Its value, from 0 to 1; None if a version has no value of the column.
    """

    column: str
    old_type: str
    new_type: str
    old: Summary
    new: Summary
    measure: str
    distance: float | None
