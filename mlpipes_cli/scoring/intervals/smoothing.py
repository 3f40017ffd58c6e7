"""Estimates smoothed populations that a ranking could have come from.

Scores are replaced by normal scores: the quantiles of the normal distribution at their ranks, with equal
weight of both classes. On that scale each class is a histogram under a normal kernel, whose width depends on
its number of rows (Silverman 1986). A score that many rows share, such as a tree's leaf, stays a point mass.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d
from scipy.special import expit, logit, ndtri

from mlpipes_cli.scoring.predictions import FloatArray

_CELLS = 192
_END, _LAST = 3.6, 3.3  # of the scale, and the outermost normal score on it
_UNSEEN = 0.5  # pseudo-rows from both classes together: few rows do not cover every possible score
_ROUNDS = 4
_SILVERMAN = 0.9  # the factor of Silverman's rule of thumb


@dataclass(frozen=True)
class Population:
    """Both classes' shares of g cells, in rising order of the score.

    Attributes:
        false: (g,) shares of the negative class; (g, t) for t populations.
        true: Shares of the positive class.
        tied: (g,) whether a cell is a single score, not an interval.
        positive: The positive class's share of the independent rows. Better and worse populations have the
            same scores of all rows together, so that the rarer class, which is known less well, moves more:
            nearly the least favourable direction (Stein 1956).
    """

    false: FloatArray
    true: FloatArray
    tied: npt.NDArray[np.bool_]
    positive: float

    def sharpened(self, power: FloatArray) -> Population:
        """Return (g, t) populations in which the odds of a positive row are raised to each of t powers.

        A power of 1 changes nothing, 0 makes the score useless.
        """
        return self._of(power * self._odds()[:, None])

    def moved(self, by: FloatArray) -> Population:
        """Return (g, t) populations in which the log odds rise with the normal score, by t slopes."""
        ranks = np.cumsum(self.false + self.true) / 2.0 - (self.false + self.true) / 4.0
        normal = ndtri(np.clip(ranks, 1e-4, 1.0 - 1e-4))
        return self._of(self._odds()[:, None] + by * normal[:, None])

    def _odds(self) -> FloatArray:
        return np.asarray(np.log(np.maximum(self.true, 1e-12)) - np.log(np.maximum(self.false, 1e-12)))

    def _of(self, odds: FloatArray) -> Population:
        both = ((1.0 - self.positive) * self.false + self.positive * self.true)[:, None]
        start = np.full(odds.shape[1], logit(self.positive))
        for _ in range(_ROUNDS):  # Newton's: the classes keep their shares of the rows
            share = expit(odds + start)
            slope = (both * share * (1.0 - share)).sum(axis=0)
            start += np.clip(
                (self.positive - (both * share).sum(axis=0)) / np.maximum(slope, 1e-9), -1.0, 1.0
            )
        share = expit(odds + start)
        true, false = both * share, both * (1.0 - share)
        return Population(false / false.sum(axis=0), true / true.sum(axis=0), self.tied, self.positive)

    @property
    def distributions(self) -> tuple[FloatArray, FloatArray]:
        """The cumulative shares of both classes."""
        return np.cumsum(self.false, axis=0), np.cumsum(self.true, axis=0)


def smoothed(positive: npt.NDArray[np.bool_], score: FloatArray, rows: tuple[float, float]) -> Population:
    """Estimate the population from the rows.

    Args:
        positive: (n,) the true classes; both have rows.
        score: (n,) larger means more likely positive.
        rows: The numbers of independent rows of the negative and the positive class.
    """
    _, at = np.unique(score, return_inverse=True)
    classes = [np.bincount(at, weights=member) / member.sum() for member in (~positive, positive)]
    both = (classes[0] + classes[1]) / 2.0
    ranks = np.cumsum(both) - both / 2.0
    widths = [_width(share, ranks, n) for share, n in zip(classes, rows, strict=True)]
    tied = both > max(widths) / 2.0
    normal = np.clip(ndtri(np.clip(ranks, 1e-9, 1.0 - 1e-9)), -_LAST, _LAST)
    positions = (normal + _END) / (2.0 * _END)
    order = np.argsort(np.concatenate(((np.arange(_CELLS) + 0.5) / _CELLS, positions[tied])), kind="stable")
    found = []
    for share, n in zip(classes, rows, strict=True):
        blurred = _blurred(share[~tied], positions[~tied], _width(share, positions, n))
        found.append(np.concatenate((blurred, share[tied]))[order])
    pooled = (found[0] + found[1]) / 2.0
    found = [(n * share + _UNSEEN * pooled) / (n + _UNSEEN) for share, n in zip(found, rows, strict=True)]
    cells = np.repeat([False, True], [_CELLS, int(tied.sum())])[order]
    return Population(found[0], found[1], cells, rows[1] / (rows[0] + rows[1]))


def _width(share: FloatArray, positions: FloatArray, rows: float) -> float:
    mean = float(share @ positions)
    variance = max(float(share @ positions**2) - mean**2, 1e-6)
    return float(_SILVERMAN * np.sqrt(variance) * rows**-0.2)


def _blurred(share: FloatArray, positions: FloatArray, width: float) -> FloatArray:
    """Smooth a histogram with a normal kernel that is reflected at both ends.

    Each row is split linearly between two cells.
    """
    at = positions * _CELLS - 0.5
    first = np.floor(at).astype(np.int64)
    right = at - first
    cells = np.bincount(np.clip(first, 0, _CELLS - 1), weights=share * (1.0 - right), minlength=_CELLS)
    cells += np.bincount(np.clip(first + 1, 0, _CELLS - 1), weights=share * right, minlength=_CELLS)
    return np.asarray(gaussian_filter1d(cells, width * _CELLS, mode="reflect"))
