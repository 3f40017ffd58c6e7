"""What the columns of a table are like, collected batch by batch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_MOST_VALUES = 20  # distinct values that are counted
_MOST_KEYS = 2_000_000  # rows in which repeated values are looked for


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
    _seen: list[np.ndarray] = field(default_factory=list)

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
        if column.null_count or self.rows > _MOST_KEYS:
            self._give_up()
            return
        head = column[:1000]
        if pc.count_distinct(head).as_py() < len(head) or pc.count_distinct(column).as_py() < len(column):
            self._give_up()
            return
        self._seen.append(_hashes(column))
        if len(self._seen) > 1:
            joined = np.concatenate(self._seen)
            if len(np.unique(joined)) < len(joined):
                self._give_up()
            else:
                self._seen = [joined]

    def _give_up(self) -> None:
        self.repeats, self._seen = True, []

    @property
    def unique(self) -> bool:
        """Whether every row has a value of its own."""
        return self.rows > 1 and not self.missing and not self.repeats and bool(self._seen)

    @property
    def constant(self) -> bool:
        """Whether all rows have the same value."""
        return self.rows > 1 and not self.missing and self.values is not None and len(self.values) == 1


def _hashes(column: pa.Array) -> np.ndarray:
    if pa.types.is_large_string(column.type):
        import pandas as pd

        return np.asarray(pd.util.hash_array(column.to_numpy(zero_copy_only=False), categorize=False))
    if pa.types.is_date32(column.type):
        column = column.cast(pa.int32())
    return np.asarray(column.cast(pa.int64()).to_numpy())
