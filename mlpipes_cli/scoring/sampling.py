"""Draws the empirical distribution functions of samples from many populations with common random numbers.

All populations use the same random numbers, so their samples differ only because the populations do.
Cumulative shares are rounded to a grid that is fine at both ends, so that the number of a sample's rows
below each grid point is counted once and looked up afterwards.
"""

from __future__ import annotations

import numpy as np

from mlpipes_cli.scoring.predictions import FloatArray, IntArray

_LARGE = 5_000  # rows from which an empirical distribution function is close enough to a Brownian bridge
_STEPS = 1024  # of the grid, 0.002 wide in the middle, where 5,000 rows err by 0.007, and 2e-6 at the ends


class Sampler:
    """Draws samples of distributions over g cells.

    Args:
        rows: (t,) rows of each sample.
        cells: The number g of cells.
        random: The random generator.

    Attributes:
        counts: Whether each row of a sample is drawn and counted; else they are approximated.
    """

    def __init__(self, rows: IntArray, cells: int, random: np.random.Generator) -> None:
        self._rows = rows.astype(np.float64)
        self.counts = int(rows.min()) < _LARGE
        if self.counts:
            self._shares = _counted(rows, random) / self._rows
        else:
            self._noise = random.standard_normal((cells, len(rows)))

    def rounded(self, distribution: FloatArray) -> FloatArray:
        """Return the distribution function that samples are drawn from, rounded to the grid."""
        if not self.counts:
            return distribution
        share = _steps(distribution) / _STEPS
        return np.asarray(np.where(share < 0.5, 2.0 * share**2, 1.0 - 2.0 * (1.0 - share) ** 2))

    def __call__(self, distribution: FloatArray) -> FloatArray:
        """Return (g, t) the samples' cumulative shares for a (g,) distribution function."""
        if self.counts:
            return np.take(self._shares, _steps(distribution), axis=0)
        steps = np.sqrt(np.maximum(np.diff(distribution, prepend=0.0), 0.0))
        moved = np.cumsum(steps[:, None] * self._noise, axis=0)
        bridge = moved - distribution[:, None] * moved[-1]
        return np.asarray(distribution[:, None] + bridge / np.sqrt(self._rows))


def _counted(rows: IntArray, random: np.random.Generator) -> IntArray:
    """Return (steps + 1, t) the number of uniform random numbers below each step of the grid.

    On the grid's even scale such a number is the mean of two uniform ones, with 16 bits each.
    """
    bits = random.integers(2**32, size=(int(rows.max()), len(rows)), dtype=np.uint32)
    bins = (((bits & 0xFFFF) + (bits >> 16)) // (2**17 // _STEPS) + 1).astype(np.int64)
    if rows.min() < rows.max():
        bins[np.arange(len(bins))[:, None] >= rows] = _STEPS + 1  # beyond the grid: not in this sample
    bins = bins * len(rows) + np.arange(len(rows))
    found = np.bincount(bins.ravel(), minlength=(_STEPS + 2) * len(rows)).reshape(-1, len(rows))
    return np.cumsum(found[:-1], axis=0)


def _steps(distribution: FloatArray) -> IntArray:
    """Return the nearest grid step; the grid is even on a square-root scale from either end to the middle."""
    share = np.clip(distribution, 0.0, 1.0)
    root = np.sqrt(np.minimum(share, 1.0 - share) / 2.0)
    return np.asarray(np.rint(np.where(share < 0.5, root, 1.0 - root) * _STEPS), dtype=np.int64)
