"""Units that a permutation exchanges: rows, or groups of rows where there are many.

Rows of each sample are put at random into groups of one size. If nothing changed, the groups of both samples
are exchangeable as the rows are, so a test that exchanges groups is exact too, at a cost that does not
depend on the number of rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

GROUPS = 500  # groups of the smaller sample, at least, where it has as many rows
RATIO, MORE = 10, 1_000  # units of the larger sample: at most ten times the smaller one's, and these
_MOST_NUMBERS = 16_000_000  # numbers of the table of units by figures


@dataclass(frozen=True, eq=False)
class Units:
    """Units of both samples, the smaller sample's first.

    Attributes:
        rows: The rows of each unit, of shape (units, rows a unit); rows count through the reference, then
            through the current rows.
        first: How many units belong to the smaller sample.
        current_first: Whether the smaller sample is the current one.
    """

    rows: NDArray[np.int64]
    first: int
    current_first: bool

    @property
    def number(self) -> int:
        """How many units there are."""
        return int(self.rows.shape[0])

    @property
    def size(self) -> int:
        """Rows of a unit."""
        return int(self.rows.shape[1])

    def counts(self, codes: NDArray[np.int16], cells: int) -> NDArray[np.float32]:
        """Count the rows of each unit in each cell, of shape (units, cells)."""
        group = np.arange(self.number, dtype=np.int64)[:, None] * cells
        flat = (codes[self.rows] + group).ravel()
        counted = np.bincount(flat, minlength=self.number * cells)
        return counted.reshape(self.number, cells).astype(np.float32)


def make_units(reference: int, current: int, figures: int, rng: np.random.Generator) -> Units:
    """Group the rows of two samples at random.

    Args:
        reference: Rows of the reference.
        current: Current rows.
        figures: Figures that are summed for each unit, which bounds the number of units by memory.
        rng: The source of randomness.
    """
    current_first = current <= reference
    small, large = min(reference, current), max(reference, current)
    size = max(small // GROUPS, 1)
    first = small // size
    most = max(_MOST_NUMBERS // max(figures, 1) - first, first)
    second = min(large // size, RATIO * first + MORE, most)
    starts = (reference, 0) if current_first else (0, reference)
    taken = [
        start + rng.permutation(rows)[: units * size]
        for start, rows, units in zip(starts, (small, large), (first, second), strict=True)
    ]
    return Units(np.concatenate(taken).reshape(first + second, size), first, current_first)
