"""Ranking metrics: how well a score ranks the positive rows above the negative ones."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mlpipes_cli.scoring.predictions import FloatArray
from mlpipes_cli.scoring.resampling import columns

NAMES = ("ks", "roc_auc", "pr_auc")
_SIDES: tuple[Literal["left"], Literal["right"]] = ("left", "right")


@dataclass(frozen=True)
class _Steps:
    """The cumulative counts of rows at each of the g distinct scores of positive rows, in falling order.

    Attributes:
        gained: (B, g) positive rows with the score.
        true: (B, g) positive rows with it or a higher one.
        before: (B, g) negative rows with a higher one.
        false: (B, g) negative rows with it or a higher one.
        negatives: (B, 1) all negative rows.
    """

    gained: FloatArray
    true: FloatArray
    before: FloatArray
    false: FloatArray
    negatives: FloatArray


class Ranking:
    """The rows of a binary target in the order of a score, sorted once for all resamples.

    Args:
        positive: (n,) booleans, the true classes; at least one is true.
        score: (n,) larger means more likely positive; ties are allowed.
    """

    def __init__(self, positive: np.ndarray, score: FloatArray) -> None:
        self.order = np.argsort(-score, kind="stable")
        ranked, self.positive = score[self.order], np.asarray(positive, dtype=bool)[self.order]
        self.ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
        falling, passed = -ranked[self.positive], -ranked[~self.positive]
        self._firsts = np.flatnonzero(np.append(True, falling[1:] != falling[:-1]))
        before, upto = (np.searchsorted(passed, falling[self._firsts], side=side) for side in _SIDES)
        edges = np.unique(np.concatenate(([0, len(passed)], before, upto)))
        self._stretches = edges[:-1]  # starts; metrics ignore the order of negative rows within one
        self._before, self._upto = (np.searchsorted(edges, at) for at in (before, upto))

    def counts(self, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the positive and negative rows at or above each distinct score, in falling order.

        Args:
            weights: (B, n) how often each row counts.

        Returns:
            Two (B, distinct scores) arrays.
        """
        ranked = columns(weights, self.order)
        above = np.cumsum(ranked, axis=1)[:, self.ends]
        true = np.cumsum(ranked * self.positive, axis=1)[:, self.ends]
        return true, above - true

    def values(self, weights: FloatArray, names: Collection[str] = NAMES) -> dict[str, FloatArray]:
        """Return the requested metrics of :data:`NAMES`, (B,) each; NaN where a class has no weight."""
        steps = self._steps(weights)
        with np.errstate(divide="ignore", invalid="ignore"):
            formulas = {"ks": _ks, "roc_auc": _roc_auc, "pr_auc": _pr_auc}
            return {name: formulas[name](steps) for name in names}

    def _steps(self, weights: FloatArray) -> _Steps:
        """Count the rows at each score of a positive row.

        Nothing that a metric uses changes in between, and positive rows are usually few.
        """
        gained = columns(weights, self.order[self.positive])
        if len(self._firsts) < gained.shape[1]:
            gained = np.add.reduceat(gained, self._firsts, axis=1)
        negative = np.add.reduceat(columns(weights, self.order[~self.positive]), self._stretches, axis=1)
        passed = np.zeros((len(weights), negative.shape[1] + 1))
        np.cumsum(negative, axis=1, out=passed[:, 1:])
        before, false = (columns(passed, at) for at in (self._before, self._upto))
        return _Steps(gained, np.cumsum(gained, axis=1), before, false, passed[:, -1:])


def _ks(steps: _Steps) -> FloatArray:
    """Return the largest distance between the classes' distribution functions (two-sample KS statistic).

    The difference is largest at the score of a positive row, and smallest just above one.
    """
    positives = steps.true[:, -1:]
    over = steps.true / positives - steps.false / steps.negatives
    under = steps.before / steps.negatives - (steps.true - steps.gained) / positives
    return np.asarray(np.maximum(over.max(axis=1), under.max(axis=1)))


def _roc_auc(steps: _Steps) -> FloatArray:
    """Return the share of pairs in which the positive row scores higher, ties half (Mann-Whitney)."""
    below_doubled = 2.0 * steps.negatives - steps.false - steps.before
    doubled = np.einsum("bg,bg->b", steps.gained, below_doubled)
    return np.asarray(doubled / (2.0 * steps.true[:, -1] * steps.negatives[:, 0]))


def _pr_auc(steps: _Steps) -> FloatArray:
    """Return average precision: the precision at each threshold, weighted by the recall gained there."""
    precision = steps.true / np.maximum(steps.true + steps.false, 1e-300)
    return np.asarray(np.einsum("bg,bg->b", steps.gained, precision) / steps.true[:, -1])
