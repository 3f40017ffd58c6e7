"""Numbers made comparable, whatever single cells hold, or left in their own unit, for trees.

A logged model carries this module's code with it (see :mod:`mlpipes_cli.preprocess.portable`), so it
imports nothing of this package that is not carried too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_LARGEST_INPUT = 1e150  # its square is still a float64
_LARGEST_OUTPUT = 1e6  # standard deviations; trees that store float32 take it too
_LARGEST_SINGLE = 1e30  # what is left in its own unit is stored as float32 by most trees
_COARSE = 2.0**-10  # of the median: float32 would tell values of a smaller spread badly apart
_NEAR = 3.0  # spreads from the median, within which nothing is far off
_GAP = 5.0  # times as far from the median as the one before: what comes after is no tail of a distribution
_RARE = 0.05  # of the values; more of them are a part of the distribution, if they differ
_ROOM = 5.0  # spreads from the median that a value may always lie away


class Scaler:
    """Fills gaps with the median, then subtracts the mean and divides by the standard deviation.

    Models of former releases have this one alone.
    """

    def fit(self, values: Floats) -> Scaler:
        """Learn from an array of shape (rows, columns); NaN is missing."""
        values = np.clip(values, -_LARGEST_INPUT, _LARGEST_INPUT)
        gaps = np.isnan(values)
        self.gappy = np.flatnonzero(gaps.any(axis=0))
        empty = gaps.all(axis=0)
        self.median = np.zeros(values.shape[1])
        if (~empty).any():
            self.median[~empty] = np.nanmedian(values[:, ~empty], axis=0)
        filled = np.where(gaps, self.median, values)
        self.mean = filled.mean(axis=0)
        deviation = filled.std(axis=0)
        # what rounding leaves of a constant column is no spread
        still = deviation <= 1e-12 * np.maximum(np.abs(self.mean), 1e-300)
        self.deviation = np.where(still | ~np.isfinite(deviation), 1.0, deviation)
        return self

    def transform(self, values: Floats) -> Floats:
        """Scaled values of the same shape, all finite."""
        gaps = np.isnan(values)
        if gaps.any():
            values = np.where(gaps, self.median, values)
        scaled = (np.clip(values, -_LARGEST_INPUT, _LARGEST_INPUT) - self.mean) / self.deviation
        found: Floats = np.clip(scaled, -_LARGEST_OUTPUT, _LARGEST_OUTPUT)
        return found


class Bounded(Scaler):
    """A :class:`Scaler` that rare far-off cells do not blind: they count as the nearest that is no such.

    Columns without such cells are scaled as by a :class:`Scaler`, to the last bit.
    """

    def fit(self, values: Floats) -> Bounded:
        """Learn from an array of shape (rows, columns); NaN is missing."""
        limits = np.array([_limits(column) for column in values.T]).reshape(-1, 2)
        self.low, self.high = limits[:, 0], limits[:, 1]
        super().fit(np.clip(values, self.low, self.high))
        return self

    def transform(self, values: Floats) -> Floats:
        """Scaled values of the same shape, all finite."""
        return super().transform(np.clip(values, self.low, self.high))


class Unscaled(Scaler):
    """Fills gaps with the median and leaves the rest in its own unit.

    Only a column whose values float32 would not tell apart (times in seconds since 1970, say) is counted
    from its median.
    """

    def fit(self, values: Floats) -> Unscaled:
        """Learn from an array of shape (rows, columns); NaN is missing."""
        super().fit(values)
        spreads = np.array([_middle_and_spread(_present(column))[1] for column in values.T])
        median = np.clip(self.median, -_LARGEST_SINGLE, _LARGEST_SINGLE)
        self.centre = np.where(spreads < np.abs(median) * _COARSE, median, 0.0)
        return self

    def transform(self, values: Floats) -> Floats:
        """Values of the same shape, all finite as float32 too."""
        gaps = np.isnan(values)
        if gaps.any():
            values = np.where(gaps, self.median, values)
        found: Floats = np.clip(values, -_LARGEST_SINGLE, _LARGEST_SINGLE) - self.centre
        return found


def _present(column: Floats) -> Floats:
    return np.clip(column[~np.isnan(column)], -_LARGEST_INPUT, _LARGEST_INPUT)


def _middle_and_spread(values: Floats) -> tuple[float, float]:
    """The median, and the distance of the quartiles; where that is 0, how far the others usually lie away."""
    if not len(values):
        return 0.0, 0.0
    last = len(values) - 1
    at = [last // 4, last // 2, 3 * last // 4]
    low, middle, high = np.partition(values, at)[at]
    if high > low:
        return float(middle), float(high - low)
    others = np.abs(values[values != middle] - middle)
    if not len(others):
        return float(middle), 0.0
    return float(middle), float(np.partition(others, (len(others) - 1) // 2)[(len(others) - 1) // 2])


def _limits(column: Floats) -> tuple[float, float]:
    """The least and the greatest that values count as; the limits of all input where nothing is far off."""
    values = _present(column)
    middle, spread = _middle_and_spread(values)
    below, above = _reach(middle - values, spread), _reach(values - middle, spread)
    return max(middle - below, -_LARGEST_INPUT), min(middle + above, _LARGEST_INPUT)


def _reach(distances: Floats, spread: float) -> float:
    """How far from the median a value counts in one direction: to the first gap with few behind it."""
    far = np.sort(distances[distances > _NEAR * spread])
    before = np.concatenate([[_NEAR * spread], far])[: len(far)]
    for at in np.flatnonzero(far > _GAP * before):
        few = len(far) - at <= _RARE * len(distances)
        if few or far[at] == far[-1]:
            return float(max(before[at], _ROOM * spread))
    return np.inf
