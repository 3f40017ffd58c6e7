"""Cells of a column: numbers by quantiles of both samples together, levels by how often they occur.

Whatever decides on a cell sees both samples as one, never which row is whose: so a test that exchanges
rows between the samples stays exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

QUANTILES = np.array([0.001, 0.005, 0.02, *np.arange(0.05, 0.96, 0.05).round(2).tolist(), 0.98, 0.995, 0.999])
MOST_DISTINCT = 24  # numbers with at most this many distinct values have a cell for each
ATOM = 0.05  # a value that holds this share of the rows is a cell of its own
MOST_SORTED = 20_000  # rows that decide on the cells
_CLASSES = (1, 2, 4, 9, 29)  # levels too rare for a cell share one by how often they occur


@dataclass(frozen=True, eq=False)
class Cells:
    """The cells of the rows of both samples, the reference's first.

    Attributes:
        codes: The cell of each row, of shape (rows,); the last cell is that of missing values.
        number: How many cells there are.
        scores: The normal score of each cell, NaN for missing values; None where cells have no order.
    """

    codes: NDArray[np.int16]
    number: int
    scores: NDArray[np.float64] | None

    @property
    def missing(self) -> int:
        """The cell of missing values."""
        return self.number - 1


def number_cells(values: NDArray[np.float64], sample: NDArray[np.int64]) -> Cells:
    """Return the cells of numbers, of shape (rows,), NaN where missing.

    Args:
        values: The numbers of both samples.
        sample: Rows that decide on the limits between cells, at most `MOST_SORTED`.
    """
    edges = _edges(values[sample])
    codes = np.searchsorted(edges, values, side="right").astype(np.int16)
    number = edges.size + 2
    codes[np.isnan(values)] = number - 1
    return Cells(codes, number, normal_scores(codes, number))


def _edges(sampled: NDArray[np.float64]) -> NDArray[np.float64]:
    ordered = np.sort(sampled[~np.isnan(sampled)])
    if not ordered.size:
        return np.empty(0)
    distinct, counts = np.unique(ordered, return_counts=True)
    if distinct.size <= MOST_DISTINCT:
        return np.asarray(distinct[1:], dtype=np.float64)
    atoms = distinct[counts >= ATOM * ordered.size]
    picks = ordered[(QUANTILES * ordered.size).astype(np.int64)]
    return np.unique(np.concatenate([picks, atoms, np.nextafter(atoms, np.inf)]))


def normal_scores(codes: NDArray[np.int16], number: int) -> NDArray[np.float64]:
    """Return the normal score of the mean rank of each cell, of shape (cells,); NaN for missing values.

    Van der Waerden's scores, with mean ranks for ties.
    """
    counts = np.bincount(codes, minlength=number).astype(np.float64)
    counts[-1] = 0
    total = max(counts.sum(), 1)
    scores = ndtri(np.clip((np.cumsum(counts) - counts / 2) / total, 1e-6, 1 - 1e-6))
    scores[-1] = np.nan
    return np.asarray(scores, dtype=np.float64)


def level_cells(levels: NDArray[np.int64], number: int, most: int) -> tuple[Cells, NDArray[np.int64]]:
    """Return the cells of levels, and the level of each cell, -1 where levels share one.

    Args:
        levels: The level of each row, from 0; -1 where missing.
        number: How many levels there are.
        most: How many levels get a cell of their own, the most frequent ones.
    """
    counts = np.bincount(levels[levels >= 0], minlength=number)
    order = np.argsort(-counts, kind="stable")
    kept = order[:most]
    cell_of = np.empty(number + 1, dtype=np.int16)
    rest = order[most:]
    cell_of[kept] = np.arange(kept.size)
    classes = np.searchsorted(_CLASSES, counts[rest], side="left")
    present, rare = np.unique(classes, return_inverse=True)
    cell_of[rest] = kept.size + rare
    cells = kept.size + present.size + 1
    cell_of[-1] = cells - 1  # level -1: missing
    names = np.concatenate([kept, np.full(present.size + 1, -1)]).astype(np.int64)
    return Cells(cell_of[levels], cells, None), names
