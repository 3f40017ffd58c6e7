"""What the columns of a table are like, collected batch by batch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_MOST_VALUES = 20  # distinct values that are counted
_MOST_KEYS = (
    500_000  # rows in which repeated values are looked for, unless each value is above the one before
)


@dataclass
class Facts:
    """A column's values so far.

    Attributes:
        type: Its type in the table.
        rows: How many there are.
        missing: How many have no value.
        least: The smallest value of a number or date.
        most: The largest.
        values: The distinct values; None once there are more than 20.
        repeats: Whether a value stands in two rows; looked for among whole numbers, texts and dates.
    """

    type: str
    rows: int = 0
    missing: int = 0
    least: Any = None
    most: Any = None
    values: set[Any] | None = field(default_factory=set)
    repeats: bool = False
    _seen: list[np.ndarray] = field(default_factory=list)  # sorted; each is more than twice the next one
    _rises: bool = True  # whether each value is above the one before
    _last: pa.Scalar | None = None

    def add(self, column: pa.Array) -> None:
        """Add the values of a batch."""
        self.rows += len(column)
        self.missing += column.null_count
        if column.null_count == len(column):
            return
        self._keys(column)
        if self.type in ("text", "boolean"):
            self._values(column)
            return
        ends = pc.min_max(column).as_py()
        self.least = ends["min"] if self.least is None else min(self.least, ends["min"])
        self.most = ends["max"] if self.most is None else max(self.most, ends["max"])
        self._values(column)

    def _values(self, column: pa.Array) -> None:
        if self.values is None:
            return
        head = set(pc.unique(column[: 4 * _MOST_VALUES]).to_pylist())
        found = head if len(head) > _MOST_VALUES else set(pc.unique(column).to_pylist())
        self.values |= found - {None}
        if len(self.values) > _MOST_VALUES:
            self.values = None

    def _keys(self, column: pa.Array) -> None:
        if self.repeats or self.type in ("number", "boolean"):
            return
        if column.null_count:
            self._give_up()
            return
        self._rises = self._rises and self._goes_on(column)
        self._last = column[-1]
        if self.rows > _MOST_KEYS:
            self._seen = []
            if not self._rises:
                self._give_up()
            return
        head = column[:1000]
        if pc.count_distinct(head).as_py() < len(head):
            self._give_up()
            return
        self._add(np.sort(_hashes(column)))

    def _goes_on(self, column: pa.Array) -> bool:
        """Return whether the values rise, from the last one of the batch before."""
        first = self._last is None or pc.less(self._last, column[0]).as_py()
        return bool(first) and bool(pc.all(pc.less(column[:-1], column[1:]), min_count=0).as_py())

    def _add(self, keys: np.ndarray) -> None:
        """Keep the keys of a batch, sorted, unless one of them was there before.

        Arrays of about the same size are merged, so that the work for n rows is n times a logarithm.
        """
        if np.any(keys[1:] == keys[:-1]) or any(_common(one, keys) for one in self._seen):
            self._give_up()
            return
        self._seen.append(keys)
        while len(self._seen) > 1 and len(self._seen[-2]) <= 2 * len(self._seen[-1]):
            last = self._seen.pop()
            self._seen[-1] = np.sort(np.concatenate([self._seen[-1], last]), kind="stable")

    def _give_up(self) -> None:
        self.repeats, self._seen, self._last = True, [], None

    @property
    def unique(self) -> bool:
        """Whether every row has a value of its own."""
        looked_for = self._last is not None and not self.repeats
        return self.rows > 1 and not self.missing and looked_for

    @property
    def constant(self) -> bool:
        """Whether all rows have the same value."""
        return self.rows > 1 and not self.missing and self.values is not None and len(self.values) == 1


def _common(one: np.ndarray, other: np.ndarray) -> bool:
    """Return whether a value of ``other`` is in ``one``, which is sorted."""
    places = np.minimum(np.searchsorted(one, other), len(one) - 1)
    return bool(np.any(one[places] == other))


def _hashes(column: pa.Array) -> np.ndarray:
    if pa.types.is_large_string(column.type):
        import pandas as pd

        return np.asarray(pd.util.hash_array(column.to_numpy(zero_copy_only=False), categorize=False))
    if pa.types.is_date32(column.type):
        column = column.cast(pa.int32())
    return np.asarray(column.cast(pa.int64()).to_numpy())
