"""Tests whether live rows score worse than the holdout, by permuting which side a row is of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlpipes_cli import metric_catalog
from mlpipes_cli.monitoring.performance.cells import Cells, pooled
from mlpipes_cli.scoring.predictions import FloatArray, IntArray, Predictions

_DRAWS, _MORE_DRAWS = 999, 4_999
_RARE = 10  # with fewer permutations as bad among the first ones, more are drawn
_AT_ONCE = 2**20  # numbers in one block


@dataclass(frozen=True)
class Shift:
    """How a metric differs between both sides.

    Attributes:
        holdout: The holdout's value.
        live: The live value, with the holdout's share of each class.
        loss: How much worse live is than expected of permuted rows, in the metric's unit; the expectation
            is not 0 if the sides differ in size, as small samples bias KS.
        p: The one-sided p-value of "live is worse".
    """

    holdout: float
    live: float
    loss: float
    p: float


def shifts(live: Predictions, holdout: Predictions, names: tuple[str, ...], seed: int) -> dict[str, Shift]:
    """Test each metric.

    The sides of the rows are permuted within each true class (a stratified permutation test; Fisher 1935,
    Good 2005), and both sides get the holdout's share of each class. The test is exact at every size if the
    model treats rows of a class as it did on the holdout; a change of the classes' shares alone
    (label shift) changes nothing. Equal metrics of different distributions are not covered exactly.

    Args:
        live: Served predictions, one row a caller; every class of the holdout has a row.
        holdout: The holdout's predictions, of the same task and classes.
        names: Metrics that are defined for both.
        seed: The same seed gives the same p-values.
    """
    found: dict[str, Shift] = {}
    for number, cells in enumerate(pooled(live, holdout, names, seed)):
        found |= _tested(cells, np.random.default_rng([seed, 2, number]))
    return found


def _tested(cells: Cells, random: np.random.Generator) -> dict[str, Shift]:
    sides = [
        cells.values(cells.weights(counts[None, :].astype(np.float64)))
        for counts in (cells.holdout, cells.live)
    ]
    at = {name: (float(sides[0][name][0]), float(sides[1][name][0])) for name in cells.names}
    good = {name: pair for name, pair in at.items() if np.isfinite(pair).all()}
    observed = {name: _sign(name) * (pair[0] - pair[1]) for name, pair in good.items()}
    drawn = _drawn(cells, random, _DRAWS)
    as_bad = {name: _at_least(drawn[name], value) for name, value in observed.items()}
    rare = [name for name, count in as_bad.items() if count < _RARE]
    means = {name: float(drawn[name].mean()) for name in observed}
    more = _drawn(cells, random, _MORE_DRAWS - _DRAWS) if rare else {}
    found = {}
    for name, value in observed.items():
        p = (as_bad[name] + 1) / (_DRAWS + 1)
        if name in rare:
            p = (as_bad[name] + _at_least(more[name], value) + 1) / (_MORE_DRAWS + 1)
        found[name] = Shift(*good[name], value - means[name], p)
    return found


def _drawn(cells: Cells, random: np.random.Generator, draws: int) -> dict[str, FloatArray]:
    """Return (draws,) how much worse live is in permuted rows, by metric."""
    blocks: list[dict[str, FloatArray]] = []
    both = cells.live + cells.holdout
    at_once = max(1, _AT_ONCE // len(both))
    for start in range(0, draws, at_once):
        counts = np.zeros((min(at_once, draws - start), len(both)))
        for code in np.unique(cells.strata):
            members = np.flatnonzero(cells.strata == code)
            counts[:, members] = _chosen(both[members], int(cells.live[members].sum()), len(counts), random)
        sides = [cells.values(cells.weights(part)) for part in (both - counts, counts)]
        blocks.append({name: _sign(name) * (sides[0][name] - sides[1][name]) for name in cells.names})
    return {name: np.concatenate([block[name] for block in blocks]) for name in cells.names}


def _chosen(both: IntArray, live: int, draws: int, random: np.random.Generator) -> IntArray:
    """Return (draws, g) how many of each cell's rows are among the live ones, if all choices are alike."""
    if both.max() > 1:
        return random.multivariate_hypergeometric(both, live, size=draws, method="marginals")
    found = np.zeros((draws, len(both)), dtype=np.int64)
    first = np.argpartition(random.random(found.shape), live - 1, axis=1)[:, :live]
    np.put_along_axis(found, first, 1, axis=1)
    return found


def _sign(name: str) -> float:
    return 1.0 if metric_catalog.higher_is_better(name) else -1.0


def _at_least(drawn: FloatArray, value: float) -> int:
    """Count the draws that are as large; equal numbers may differ by rounding."""
    return int((drawn >= value - 1e-12 * max(1.0, abs(value))).sum())
