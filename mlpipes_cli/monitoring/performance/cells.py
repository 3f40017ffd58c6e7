"""Live and holdout rows pooled into cells, whose counts are all that a permutation changes.

Rows that a metric cannot tell apart share a cell. So the exact permutation distribution of 100,000 rows costs
as much as that of a few hundred cells: the counts of one side are multivariate hypergeometric.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import numpy as np

from mlpipes_cli import metric_catalog
from mlpipes_cli.scoring.metrics import ratios, scorer
from mlpipes_cli.scoring.predictions import FloatArray, IntArray, Predictions

_CELLS = 256  # of a class at most; more rows with different scores are grouped by their ranks
_GRID = 32  # cells of either axis, if a metric depends on two numbers of a row
_ROWS = 1_500  # of either side at most, if a metric depends on more numbers of a row
_RANKINGS = ("ks", "roc_auc", "pr_auc")

Values = Callable[[FloatArray], dict[str, FloatArray]]


@dataclass(frozen=True)
class Cells:
    """The pooled rows of both sides for metrics that share their cells.

    Attributes:
        names: The metrics.
        strata: (g,) the stratum of each cell: the true class; zeros for regression.
        live: (g,) live rows in each cell.
        holdout: (g,) holdout rows in each cell.
        shares: (strata,) the holdout's share of each stratum, which both sides get.
        values: The metrics for (B, g) weights, (B,) by name.
    """

    names: tuple[str, ...]
    strata: IntArray
    live: IntArray
    holdout: IntArray
    shares: FloatArray
    values: Values

    def weights(self, counts: FloatArray) -> FloatArray:
        """Return (B, g) weights in which each stratum has the holdout's share, for (B, g) counts."""
        members = np.eye(len(self.shares))[self.strata]
        totals = counts @ members
        factors = np.divide(self.shares, totals, out=np.zeros_like(totals), where=totals > 0)
        return np.asarray(counts * np.take(factors, self.strata, axis=1))


def pooled(live: Predictions, holdout: Predictions, names: Collection[str], seed: int) -> Iterator[Cells]:
    """Yield the cells of the metrics, by what the metrics depend on.

    Args:
        live: Served predictions, one row a caller; every class of the holdout has a row.
        holdout: The holdout's predictions.
        names: Metrics that are defined for both.
        seed: Of the rows that are drawn where a metric allows no cells.
    """
    pool = _Pool(live, holdout)
    left = list(names)
    for wanted, make in _WAYS[live.task].items():
        group = tuple(name for name in left if name.startswith(wanted))
        if group:
            left = [name for name in left if name not in group]
            yield from make(pool, group, seed)


class _Pool:
    """Both sides' rows, the holdout's first."""

    def __init__(self, live: Predictions, holdout: Predictions) -> None:
        sides = (holdout, live)
        self.live = np.repeat([False, True], [p.rows for p in sides])
        scores = [p.scores for p in sides if p.scores is not None]
        self.rows = Predictions(
            live.task,
            live.classes,
            np.concatenate([p.target for p in sides]),
            np.concatenate(scores) if len(scores) == 2 else None,
            np.concatenate([p.prediction for p in sides]),
            np.arange(len(self.live)),
        )
        self.strata = self.rows.target_codes
        classes = max(len(live.classes), 1)
        self.shares = np.bincount(holdout.target_codes, minlength=classes) / holdout.rows

    def cells(
        self, names: tuple[str, ...], keys: IntArray, make: Callable[[IntArray, IntArray], Values]
    ) -> Cells:
        """Return the cells of rows with the same stratum and key.

        Args:
            names: The metrics.
            keys: (n,) non-negative keys of the rows.
            make: Makes the metrics from (g,) the position of one row of each cell, and (n,) the cell of
                each row.
        """
        _, first, cell = np.unique(
            self.strata * (int(keys.max()) + 1) + keys, return_index=True, return_inverse=True
        )
        sides = [np.bincount(cell[self.live == side], minlength=len(first)) for side in (True, False)]
        return Cells(names, self.strata[first], sides[0], sides[1], self.shares, make(first, cell))


def _labels(pool: _Pool, names: tuple[str, ...], _: int) -> Iterator[Cells]:
    """Rows with the same true and predicted label."""
    yield pool.cells(
        names, pool.rows.prediction_codes, lambda first, _: scorer(pool.rows.take(first), names).values
    )


def _rankings(pool: _Pool, names: tuple[str, ...], _: int) -> Iterator[Cells]:
    """Rows of a class with the same score, or with neighbouring ones where there are many."""
    if pool.rows.scores is None:
        return
    rank = np.unique(pool.rows.scores, return_inverse=True)[1]
    if rank.max() >= _CELLS:
        edges = [
            np.quantile(rank[pool.strata == code], np.arange(1, _CELLS // 2) / (_CELLS // 2), method="lower")
            for code in (0, 1)
        ]
        rank = np.searchsorted(np.unique(np.concatenate(edges)), rank)

    def make(first: IntArray, _: IntArray) -> Values:
        rows = pool.rows.take(first)
        of_cells = Predictions(
            rows.task, rows.classes, rows.target, rank[first].astype(np.float64), rows.prediction, rows.ids
        )
        return scorer(of_cells, names).values

    yield pool.cells(names, rank, make)


def _losses(pool: _Pool, names: tuple[str, ...], _: int) -> Iterator[Cells]:
    """Rows with similar losses, for means of a loss; a metric has cells of its own."""
    found = ratios(pool.rows)
    for name in names:
        if name in found:
            ratio = found[name]

            def make(first: IntArray, cell: IntArray, name: str = name) -> Values:
                losses, shape = _means(found[name].above, cell), np.vectorize(found[name].shape)
                return lambda weights: {name: shape(weights @ losses / weights.sum(axis=1))}

            yield pool.cells((name,), _similar(ratio.above, pool.strata, _CELLS), make)


def _explained(pool: _Pool, names: tuple[str, ...], _: int) -> Iterator[Cells]:
    """Rows with similar errors and similar targets, for the explained share of the variation."""
    target = pool.rows.target.astype(np.float64)
    squares = (pool.rows.prediction - target) ** 2
    centred = target - target.mean()
    keys = _similar(squares, pool.strata, _GRID) * _GRID + _similar(centred**2, pool.strata, _GRID)
    keys = keys * 2 + (centred > 0)

    def make(first: IntArray, cell: IntArray) -> Values:
        columns = np.stack([_means(values, cell) for values in (squares, centred, centred**2)], axis=1)

        def values(weights: FloatArray) -> dict[str, FloatArray]:
            left, mean, total = (weights @ columns / weights.sum(axis=1, keepdims=True)).T
            spread = total - mean**2
            share = np.divide(left, spread, out=(left > 0) * 1.0, where=spread > 1e-14 * total)
            return {"r2": 1.0 - share}

        return values

    yield pool.cells(names, keys, make)


def _rows(pool: _Pool, names: tuple[str, ...], seed: int) -> Iterator[Cells]:
    """Single rows; where there are many, a random part of each side."""
    if pool.rows.scores is None:
        return
    random = np.random.default_rng([seed, 1])
    kept = []
    for side in (True, False):
        share = min(1.0, _ROWS / int((pool.live == side).sum()))
        for code in range(len(pool.shares)):
            rows = np.flatnonzero((pool.live == side) & (pool.strata == code))
            kept.append(random.permutation(rows)[: max(int(np.ceil(share * len(rows))), 50)])
    chosen = np.sort(np.concatenate(kept))
    side = pool.live[chosen]
    values = scorer(pool.rows.take(chosen), names).values
    yield Cells(names, pool.strata[chosen], side * 1, ~side * 1, pool.shares, values)


def _means(values: FloatArray, cell: IntArray) -> FloatArray:
    return np.asarray(np.bincount(cell, weights=values) / np.bincount(cell))


def _similar(values: FloatArray, strata: IntArray, cells: int) -> IntArray:
    """Return (n,) the cell of each row within its stratum: half by rank, half by the sum of the values.

    So no cell holds much of the sum, and large values have a cell of their own.
    """
    keys = np.zeros(len(values), dtype=np.int64)
    for code in np.unique(strata):
        rows = np.flatnonzero(strata == code)
        if len(np.unique(values[rows])) <= cells:
            keys[rows] = np.unique(values[rows], return_inverse=True)[1]
            continue
        order = rows[np.argsort(values[rows], kind="stable")]
        mass = np.cumsum(values[order]) / max(float(values[order].sum()), 1e-300)
        position = (np.arange(1, len(rows) + 1) / len(rows) + mass) / 2.0
        keys[order] = np.minimum((position * cells).astype(np.int64), cells - 1)
    return keys


_WAYS: dict[metric_catalog.Task, dict[tuple[str, ...], Callable[..., Iterator[Cells]]]] = {
    "binary": {_RANKINGS: _rankings, ("log_loss", "brier"): _losses, ("",): _labels},
    "multiclass": {_RANKINGS: _rows, ("log_loss",): _losses, ("",): _labels},
    "regression": {("r2",): _explained, ("",): _losses},
}
