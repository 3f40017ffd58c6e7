"""Scales numbers robustly against extreme cells, or leaves them in their own unit, for trees.

A logged model contains this module's code (see :mod:`mlpipes_cli.preprocess.portable`), so the module imports
nothing of this package that the model does not contain, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_LARGEST_INPUT = 1e150  # its square is still finite in float64
_LARGEST_OUTPUT = 1e6  # standard deviations; still finite for trees that store float32
_LARGEST_SINGLE = 1e30  # most trees store unscaled values as float32
_COARSE = 2.0**-10  # of the median: float32 hardly distinguishes values of a smaller spread
_NEAR = 3.0  # spreads from the median within which no value is an outlier
_GAP = 5.0  # times as far from the median as the value before; beyond such a gap are outliers, not a tail
_RARE = 0.05  # share of the values; more of them belong to the distribution, if they differ
_ROOM = 5.0  # spreads from the median within which a value is never clipped


class Scaler:
    """Imputes the median, then subtracts the mean and divides by the standard deviation.

    Models of earlier releases use only this scaler.
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
        # rounding errors of a constant column are not a spread
        still = deviation <= 1e-12 * np.maximum(np.abs(self.mean), 1e-300)
        self.deviation = np.where(still | ~np.isfinite(deviation), 1.0, deviation)
        return self

    def transform(self, values: Floats) -> Floats:
        """Scale values; return the same shape, all finite."""
        gaps = np.isnan(values)
        if gaps.any():
            values = np.where(gaps, self.median, values)
        scaled = (np.clip(values, -_LARGEST_INPUT, _LARGEST_INPUT) - self.mean) / self.deviation
        found: Floats = np.clip(scaled, -_LARGEST_OUTPUT, _LARGEST_OUTPUT)
        return found


class Bounded(Scaler):
    """A :class:`Scaler` that clips rare outliers to the nearest other value.

    Columns without outliers are scaled as by a :class:`Scaler`, bit for bit.
    """

    def fit(self, values: Floats) -> Bounded:
        """Learn from an array of shape (rows, columns); NaN is missing."""
        limits = np.array([_limits(column) for column in values.T]).reshape(-1, 2)
        self.low, self.high = limits[:, 0], limits[:, 1]
        super().fit(np.clip(values, self.low, self.high))
        return self

    def transform(self, values: Floats) -> Floats:
        """Scale values; return the same shape, all finite."""
        return super().transform(np.clip(values, self.low, self.high))


class Unscaled(Scaler):
    """Imputes the median and leaves other values in their own unit.

    Only a column whose values float32 cannot distinguish (such as seconds since 1970) becomes differences
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
        """Transform values; return the same shape, all finite even as float32."""
        gaps = np.isnan(values)
        if gaps.any():
            values = np.where(gaps, self.median, values)
        found: Floats = np.clip(values, -_LARGEST_SINGLE, _LARGEST_SINGLE) - self.centre
        return found


def _present(column: Floats) -> Floats:
    return np.clip(column[~np.isnan(column)], -_LARGEST_INPUT, _LARGEST_INPUT)


def _middle_and_spread(values: Floats) -> tuple[float, float]:
    """Return the median and the interquartile range.

    If the range is 0, return instead the median distance of the other values from the median.
    """
    if not len(values):
        return 0.0, 0.0
    last = len(values) - 1
    at = [last // 4, last // 2, 3 * last // 4]
    low, middle, high = np.partition(values, at)[at]
    if high > low:
        return float(middle), float(high - low)
    distances = np.abs(values[values != middle] - middle)
    if not len(distances):
        return float(middle), 0.0
    return float(middle), float(np.partition(distances, (len(distances) - 1) // 2)[(len(distances) - 1) // 2])


def _limits(column: Floats) -> tuple[float, float]:
    """Return the bounds to clip a column to; the largest allowed input if it has no outliers."""
    values = _present(column)
    middle, spread = _middle_and_spread(values)
    below, above = _reach(middle - values, spread), _reach(values - middle, spread)
    return max(middle - below, -_LARGEST_INPUT), min(middle + above, _LARGEST_INPUT)


def _reach(distances: Floats, spread: float) -> float:
    """Return the distance from the median to clip at in one direction: the first gap before few values."""
    far = np.sort(distances[distances > _NEAR * spread])
    before = np.concatenate([[_NEAR * spread], far])[: len(far)]
    for at in np.flatnonzero(far > _GAP * before):
        few = len(far) - at <= _RARE * len(distances)
        if few or far[at] == far[-1]:
            return float(max(before[at], _ROOM * spread))
    return np.inf
