"""The permutation test over all columns together (Westfall and Young 1993, step-down maxT)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlpipes_cli.monitoring.alarm.units import Units

_AT_ONCE = 250  # permutations whose sums are in memory together
FEWEST, MOST = 1_000, 20_000  # permutations
_BEYOND = 10  # permutations that are expected to reach what is significant
_DEEP = 20  # permutations beyond the level that a tail is continued from


@dataclass(frozen=True, eq=False)
class Tested:
    """What the permutations say.

    Attributes:
        observed: The statistic of each hypothesis, of shape (hypotheses,).
        p: Its p-value, adjusted for all hypotheses, of the same shape.
        critical: The statistic that the largest of all exceeds with probability alpha if nothing changed.
        draws: How many permutations were drawn.
    """

    observed: NDArray[np.float64]
    p: NDArray[np.float64]
    critical: float
    draws: int


def draws_for(alpha: float) -> int:
    """Return how many permutations a test at a level takes: ten beyond it, within bounds."""
    return int(min(max(np.ceil(_BEYOND / alpha), FEWEST), MOST)) - 1


def permutation_test(
    table: NDArray[np.float32],
    units: Units,
    statistics: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    alpha: float,
    rng: np.random.Generator,
) -> Tested:
    """Exchange units between the samples, and compare what is observed with what that gives.

    The adjusted p-values keep the probability of any false rejection at or below each level, in finite
    samples and under any dependence between columns. Drawing ends early once the smallest p-value
    cannot be at most alpha any more; that changes no decision.

    Args:
        table: Figures of each unit, of shape (units, figures), whose sums a statistic is made of.
        units: The units.
        statistics: From sums over the smaller sample, of shape (draws, figures), to the statistics, of
            shape (draws, hypotheses).
        alpha: The level of the test.
        rng: The source of randomness.
    """
    chosen = np.zeros((1, units.number), dtype=np.float32)
    chosen[0, : units.first] = 1
    observed = statistics((chosen @ table).astype(np.float64))[0]
    order = np.argsort(-observed, kind="stable")
    limit = observed[order] - 1e-6  # sums of 32 bits: equal counts give equal statistics
    total, drawn = draws_for(alpha), 0
    by_tail = alpha * (1 + total) < _BEYOND / 2  # more draws would be needed than are affordable
    most = _DEEP if by_tail else 2 * alpha * (1 + total) - 1  # draws that reach what may be significant
    reached = np.zeros(observed.size)
    largest: list[NDArray[np.float64]] = []
    while drawn < total and reached[0] <= most:
        number = min(_AT_ONCE, total - drawn)
        sums = _labels(number, units, rng) @ table
        ranked = statistics(sums.astype(np.float64))[:, order]
        best = np.maximum.accumulate(ranked[:, ::-1], axis=1)[:, ::-1]  # of this and those after it
        reached += (best >= limit).sum(axis=0)
        largest.append(best[:, 0])
        drawn += number
    found = (1 + reached) / (1 + drawn)
    maxima = np.concatenate(largest)
    if by_tail and drawn == total:
        found = np.minimum(found, tail(maxima, observed[order]))
    p = np.empty(observed.size)
    p[order] = np.minimum(np.maximum.accumulate(found), 1)
    return Tested(observed, p, critical_value(maxima, alpha), drawn)


def critical_value(largest: NDArray[np.float64], alpha: float) -> float:
    """Return the level that the largest statistic exceeds with probability alpha.

    Where the draws are too few for it, their tail is continued as that of an exponential distribution of
    rate 1, which minus the logarithm of a p-value has.
    """
    shallow = max(alpha, min(_DEEP / largest.size, 0.5))
    return float(np.quantile(largest, 1 - shallow) + np.log(shallow / alpha))


def tail(largest: NDArray[np.float64], observed: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return p-values far out in the tail, continued in the same way; 1 for statistics that are not there."""
    shallow = min(_DEEP / largest.size, 0.5)
    start = float(np.quantile(largest, 1 - shallow))
    return np.where(observed > start, shallow * np.exp(-np.maximum(observed - start, 0)), 1.0)


def _labels(number: int, units: Units, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw which units form the smaller sample: ones in a table of shape (draws, units)."""
    labels = np.zeros((number, units.number), dtype=np.float32)
    keys = rng.random((number, units.number), dtype=np.float32)
    picked = np.argpartition(keys, units.first - 1, axis=1)[:, : units.first]
    np.put_along_axis(labels, picked, np.float32(1), axis=1)
    return labels
