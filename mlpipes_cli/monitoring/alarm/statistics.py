"""How much the counts of one part of a column differ: several views of them, on one scale.

Each view has an approximate p-value; the statistic is minus the logarithm of the smallest, times the number
of views. The approximation only balances views and columns with each other: what is significant is decided by
the permutation of units, which is exact whatever the approximation is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincc, log_ndtr

Floats = NDArray[np.float64]
_TINY = 1e-300
_EXPECTED = 2.0  # cells that expect fewer rows share one in the chi-square view


@dataclass(frozen=True, eq=False)
class Totals:
    """What all permutations have in common.

    Attributes:
        counts: Rows of both samples in each cell, of shape (cells,).
        first: Rows of the smaller sample.
        rows: Rows of both samples.
        scores: The score of each cell, NaN where it has none; None for cells without an order.
        exclusive: Whether each row is in exactly one cell.
    """

    counts: Floats
    first: int
    rows: int
    scores: Floats | None = None
    exclusive: bool = True


def statistic(observed: Floats, totals: Totals) -> Floats:
    """Return the statistic of each permutation, of shape (permutations,).

    Args:
        observed: Rows of the smaller sample in each cell, of shape (permutations, cells).
        totals: What all permutations have in common.
    """
    used = (totals.counts > 0) & (totals.counts < totals.rows)
    if not used.any():
        return np.zeros(observed.shape[0])
    kept, counts = observed[:, used], totals.counts[used]
    views = [cell_view(kept, counts, totals.first, totals.rows)]
    if totals.exclusive and counts.size > 2:
        views.append(_chi_square_view(kept, counts, totals))
    if totals.scores is not None:
        views += _score_views(observed, totals)
    return np.asarray(np.maximum.reduce(views) - np.log(len(views)))


def cell_view(observed: Floats, counts: Floats, first: int, rows: int) -> Floats:
    """Return minus the logarithm of the smallest p-value of the cells, times their number.

    Each cell against all others: the likelihood-ratio statistic G of the 2 x 2 table, which follows the
    exact tail also where few rows are expected.
    """
    g = likelihood_ratio(observed, counts, first, rows)
    largest = np.sqrt(np.maximum(g.max(axis=1), 0))
    return np.asarray(-(np.log(2 * observed.shape[1]) + log_ndtr(-largest)))


def likelihood_ratio(observed: Floats, counts: Floats, first: int, rows: int) -> Floats:
    """Return G of each 2 x 2 table "in the cell or not, by sample", of the shape of `observed`."""
    expected = counts * (first / rows)
    total = np.zeros_like(observed)
    for seen, wanted in (
        (observed, expected),
        (counts - observed, counts - expected),
        (first - observed, first - expected),
        (rows - first - counts + observed, rows - first - counts + expected),
    ):
        total += seen * np.log(np.maximum(seen, _TINY) / np.maximum(wanted, _TINY))
    return 2 * total


def _chi_square_view(observed: Floats, counts: Floats, totals: Totals) -> Floats:
    """Return minus the logarithm of the two-sample chi-square test's p-value; rare cells share one."""
    expected = counts * (totals.first / totals.rows)
    rare = expected < _EXPECTED
    if rare.any():
        observed = np.column_stack([observed[:, ~rare], observed[:, rare].sum(axis=1)])
        expected = np.append(expected[~rare], expected[rare].sum())
    square = ((observed - expected) ** 2 / expected).sum(axis=1) / (1 - totals.first / totals.rows)
    p = gammaincc(max(expected.size - 1, 1) / 2, square / 2)
    return np.asarray(-np.log(np.maximum(p, _TINY)))


def _score_views(observed: Floats, totals: Totals) -> list[Floats]:
    """Return the views of location (normal scores) and of spread (their squares)."""
    assert totals.scores is not None
    known = ~np.isnan(totals.scores) & (totals.counts > 0)
    scores, weights = totals.scores[known], totals.counts[known]
    if scores.size < 2:
        return []
    centred = scores - np.average(scores, weights=weights)
    squares = centred**2
    found = []
    for values in (centred, squares - np.average(squares, weights=weights)):
        variance = (weights * values**2).sum() / totals.rows
        if variance <= 1e-12:
            continue
        error = np.sqrt(variance * totals.first * (1 - totals.first / totals.rows))
        z = np.abs(observed[:, known] @ values) / error
        found.append(np.asarray(-(np.log(2) + log_ndtr(-z))))
    return found
