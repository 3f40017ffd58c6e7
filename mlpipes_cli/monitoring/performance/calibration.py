"""Turns the scores of one class into probabilities that hold on the holdout, for any weights of its rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression
from scipy.special import expit

from mlpipes_cli.scoring.predictions import FloatArray, IntArray

_CELLS = 256  # of scores
_FOLDS = 5
_EDGE = 1e-6  # scores of 0 and 1 have no finite logarithm
_STEPS = 25  # of Newton's method
_RIDGE = 1e-3  # pseudo-rows, so that separated classes have finite coefficients


class Calibrator:
    """The relation between a class's score and its truth on the holdout.

    Two ways are fitted: beta calibration (Kull, Silva Filho and Flach 2017), which has three parameters and
    Platt's scaling (1999) as a special case, and isotonic regression (Zadrozny and Elkan 2002). The one with
    the smaller log loss in rows that it was not fitted on (five folds) is kept.

    Args:
        score: (h,) scores of the holdout's items, larger means more likely.
        positive: (h,) whether an item is of the class.
        counts: (h,) rows of each item.
        at: (g,) scores to convert.
        probabilities: Whether scores are probabilities.
        seed: Of the folds.

    Attributes:
        way: ``beta`` or ``isotonic``.
    """

    def __init__(
        self,
        score: FloatArray,
        positive: npt.NDArray[np.bool_],
        counts: IntArray,
        at: FloatArray,
        *,
        probabilities: bool,
        seed: int,
    ) -> None:
        edges = np.unique(np.quantile(score, np.arange(1, _CELLS) / _CELLS, method="lower"))
        self._cell = np.searchsorted(edges, score)
        totals = np.bincount(self._cell, weights=counts, minlength=len(edges) + 1)
        sums = np.bincount(self._cell, weights=counts * score, minlength=len(edges) + 1)
        used = np.flatnonzero(totals)
        self._cell = np.searchsorted(used, self._cell)
        self._score, self._positive = sums[used] / totals[used], positive
        middle, spread = float(np.average(score, weights=counts)), max(float(score.std()), 1e-300)

        def features(values: FloatArray) -> FloatArray:
            if not probabilities:
                return np.stack([np.ones(len(values)), (values - middle) / spread], axis=1)
            inside = np.clip(values, _EDGE, 1.0 - _EDGE)
            return np.stack([np.ones(len(values)), np.log(inside), -np.log1p(-inside)], axis=1)

        self._own, self._features, self._at = features(self._score), features(at), at
        self.way = self._better_way(counts, np.random.default_rng([seed, 4]))

    def convert(self, weights: FloatArray) -> FloatArray:
        """Return (g,) probabilities, for (h,) weights of the holdout's items."""
        positive, every = self._counted(weights)
        if self.way == "beta":
            return np.asarray(expit(self._features @ _logistic(self._own, positive, every)))
        return np.asarray(np.interp(self._at, self._score, _rising(positive, every)))

    def _counted(self, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        cells = len(self._score)
        positive, every = (
            np.asarray(np.bincount(self._cell, weights=part, minlength=cells), dtype=np.float64)
            for part in (weights * self._positive, weights)
        )
        return positive, every

    def _better_way(self, counts: IntArray, random: np.random.Generator) -> str:
        parts = random.multinomial(counts, np.full(_FOLDS, 1.0 / _FOLDS)).T
        losses = {"beta": 0.0, "isotonic": 0.0}
        for part in parts:
            positive, every = self._counted((counts - part).astype(np.float64))
            right, tested = self._counted(part.astype(np.float64))
            found = {
                "beta": expit(self._own @ _logistic(self._own, positive, every)),
                "isotonic": _rising(positive, every),
            }
            for way, share in found.items():
                inside = np.clip(share, 1e-9, 1.0 - 1e-9)
                losses[way] -= float(right @ np.log(inside) + (tested - right) @ np.log1p(-inside))
        return min(losses, key=lambda way: losses[way])


def _logistic(features: FloatArray, positive: FloatArray, every: FloatArray) -> FloatArray:
    """Fit a logistic regression to (c,) counts by Newton's method; slopes of a score are not negative."""
    found = _newton(features, positive, every)
    falling = [column for column in range(1, features.shape[1]) if found[column] < 0.0]
    if falling and features.shape[1] > 2:  # as in beta calibration: a negative slope is left out
        kept = [column for column in range(features.shape[1]) if column not in falling[:1]]
        found = np.zeros(features.shape[1])
        found[kept] = _newton(features[:, kept], positive, every)
    return found


def _newton(features: FloatArray, positive: FloatArray, every: FloatArray) -> FloatArray:
    share = (positive.sum() + 0.5) / (every.sum() + 1.0)
    found = np.zeros(features.shape[1])
    found[0] = np.log(share / (1.0 - share))
    for _ in range(_STEPS):
        expected = expit(features @ found)
        gradient = features.T @ (positive - every * expected) - _RIDGE * found
        curvature = (features.T * (every * expected * (1.0 - expected))) @ features
        step = np.linalg.solve(curvature + _RIDGE * np.eye(len(found)), gradient)
        found = found + np.clip(step, -5.0, 5.0)
        if np.abs(step).max() < 1e-6:
            break
    return found


def _rising(positive: FloatArray, every: FloatArray) -> FloatArray:
    """Return the isotonic shares of the cells; those without rows get their neighbours'."""
    used = np.flatnonzero(every > 0)
    shares = (positive[used] + 1e-3) / (every[used] + 2e-3)
    fitted = isotonic_regression(shares, weights=every[used]).x
    return np.asarray(np.interp(np.arange(len(every)), used, fitted))
