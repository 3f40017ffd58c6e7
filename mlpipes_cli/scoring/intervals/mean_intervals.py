"""Confidence intervals of mean losses, and of metrics computed from them, by the studentised bootstrap.

A mean of skewed losses is usually too low, and then its standard error is too small as well. Resamples show
the distribution of a mean's error in units of its own standard error (Efron's bootstrap-t, 1982; Hall 1988),
on the logarithmic scale, where losses are less skewed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtrit

from mlpipes_cli.scoring.predictions import FloatArray, IntArray

_LEAST_FREEDOM = 3.0  # with fewer, Student's quantiles give useless intervals
_LEAST_ERROR = 0.5  # minimum error of a resample, in observed ones: it is near 0 without the few large losses
_LARGEST = 690.0  # a logarithm whose number is finite

Pair = tuple[float, float]


@dataclass(frozen=True)
class Ratio:
    """A metric computed from the ratio of two sums over the rows.

    Attributes:
        above: (n,) each row's part of the numerator.
        below: (n,) each row's part of the denominator; ones for a mean.
        shape: The metric as a monotonic function of the ratio.
    """

    above: FloatArray
    below: FloatArray
    shape: Callable[[float], float] = float


class Studentised:
    """Some ratios and their studentised resamples.

    Args:
        ratios: The ratios by the metric's name.
        strata: (u,) codes of the strata, whose sizes resamples keep.
        units: (n,) the unit of each row; None if each row is a unit of its own.
    """

    def __init__(self, ratios: Mapping[str, Ratio], strata: IntArray, units: IntArray | None) -> None:
        self._ratios = ratios
        parts = [[_summed(part, units, len(strata)) for part in (r.above, r.below)] for r in ratios.values()]
        columns = [m for a, b in parts for m in (a, b, a**2, a * b, b**2)]
        table = np.stack(columns, axis=1) if columns else np.empty((len(strata), 0))
        members = [np.flatnonzero(strata == code) for code in np.unique(strata)]
        self._freedom = [freedom(a, b, members) for a, b in parts]
        self._strata = [(rows, table[rows]) for rows in members]
        self._observed = self._logs(np.ones((1, len(strata))))
        self._drawn: list[tuple[FloatArray, FloatArray]] = []

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the metrics."""
        return tuple(self._ratios)

    def draw(self, weights: FloatArray) -> None:
        """Add resamples: (b, u) how often each unit counts."""
        if self._ratios:
            self._drawn.append(self._logs(weights))

    def _logs(self, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return (b, ratios) logarithms and their standard errors (delta method within each stratum)."""
        alone = len(self._strata) == 1
        sums = [
            (weights if alone else np.take(weights, rows, axis=1)) @ table for rows, table in self._strata
        ]
        sums_by_stratum = [total.reshape(len(weights), -1, 5) for total in sums]
        above, below = np.sum([stratum_sums[..., :2] for stratum_sums in sums_by_stratum], axis=0).transpose(
            2, 0, 1
        )
        variance = np.zeros(above.shape)
        with np.errstate(divide="ignore", invalid="ignore"):
            for (rows, _), stratum_sums in zip(self._strata, sums_by_stratum, strict=True):
                mean = stratum_sums[..., 0] / above - stratum_sums[..., 1] / below
                squares = stratum_sums[..., 2] / above**2 + stratum_sums[..., 4] / below**2
                squares -= 2.0 * stratum_sums[..., 3] / (above * below)
                variance += np.maximum(squares - mean**2 / len(rows), 0.0) * len(rows) / max(len(rows) - 1, 1)
            return np.log(above / below), np.sqrt(variance)

    def intervals(self, tails: Pair) -> dict[str, Pair]:
        """Return (lower, upper) of each metric; empty if there are no usable resamples."""
        if not self._drawn:
            return {}
        logs, errors = (np.concatenate(parts) for parts in zip(*self._drawn, strict=True))
        found = {}
        for column, (name, ratio) in enumerate(self._ratios.items()):
            value, error = (float(part[0, column]) for part in self._observed)
            with np.errstate(divide="ignore", invalid="ignore"):
                own = np.maximum(errors[:, column], _LEAST_ERROR * error)
                moved = (logs[:, column] - value) / own
            moved = moved[np.isfinite(moved)]
            if len(moved) and np.isfinite(value):
                wider = float(stdtrit(self._freedom[column], tails[1]) / ndtri(tails[1]))
                low, high = np.quantile(moved, tails, method="weibull") * wider
                logarithms = (min(value - quantile * error, _LARGEST) for quantile in (high, low))
                ends = [ratio.shape(float(np.exp(logarithm))) for logarithm in logarithms]
                found[name] = (min(ends), max(ends))
        return found


def freedom(above: FloatArray, below: FloatArray, members: Sequence[IntArray]) -> float:
    """Return the degrees of freedom of a standard error, which are fewer if a few large rows dominate.

    They are the effective number of rows behind both sums (Kish 1965) or, if smaller, that of the variance
    itself (Satterthwaite 1946), since a single row can make up most of it.

    Args:
        above: (u,) each unit's part of the numerator, none of them negative.
        below: (u,) each unit's part of the denominator.
        members: The positions of each stratum's units.
    """
    carrying = 1.0 / max(_one_in(above) + _one_in(below) - 1.0 / len(above), 1e-300)
    with np.errstate(divide="ignore", invalid="ignore"):
        pull = above / above.sum() - below / below.sum()
        for rows in members:
            pull[rows] -= pull[rows].mean()
        squares = pull**2
        telling = 2.0 * len(squares) * squares.mean() ** 2 / squares.var()
    least = min(carrying - 1.0, telling) if np.isfinite(telling) else carrying - 1.0
    return float(max(least, _LEAST_FREEDOM))


def _one_in(values: FloatArray) -> float:
    """Return 1 / the effective number of rows of a sum of non-negative values; 1 / n if all are equal."""
    return float((values**2).sum() / max(values.sum() ** 2, 1e-300))


def _summed(values: FloatArray, units: IntArray | None, count: int) -> FloatArray:
    return values if units is None else np.asarray(np.bincount(units, weights=values, minlength=count) * 1.0)
