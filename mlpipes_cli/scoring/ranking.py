"""Metrics of a ranking: how well a score puts the positive rows above the negative ones."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from mlpipes_cli.scoring.predictions import FloatArray

NAMES = ("ks", "roc_auc", "pr_auc")


class Ranking:
    """The rows of a binary target in the order of a score, sorted once for all resamples.

    Args:
        positive: (n,) booleans, the truth.
        score: (n,) larger means more likely positive; ties are allowed.
    """

    def __init__(self, positive: np.ndarray, score: FloatArray) -> None:
        self.order = np.argsort(-score, kind="stable")
        ranked = score[self.order]
        self.ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
        self.positive = np.asarray(positive, dtype=np.float64)[self.order]
        self._ties = len(self.ends) < len(score)

    def counts(self, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Positive and negative rows at or above each distinct score, from the highest down.

        Args:
            weights: (B, n) how often each row counts.

        Returns:
            Two (B, distinct scores) arrays.
        """
        ranked = np.take(weights, self.order, axis=1)
        all_above = np.cumsum(ranked, axis=1)
        np.multiply(ranked, self.positive, out=ranked)
        true = np.cumsum(ranked, axis=1, out=ranked)
        if self._ties:
            true, all_above = true[:, self.ends], all_above[:, self.ends]
        np.subtract(all_above, true, out=all_above)
        return true, all_above

    def values(self, weights: FloatArray, names: Collection[str] = NAMES) -> dict[str, FloatArray]:
        """Those of :data:`NAMES` that are asked for, (B,) each; NaN where a class has no weight."""
        true, false = self.counts(weights)
        with np.errstate(divide="ignore", invalid="ignore"):
            formulas = {"ks": _ks, "roc_auc": _roc_auc, "pr_auc": _pr_auc}
            return {name: formulas[name](true, false) for name in names}


def _ks(true: FloatArray, false: FloatArray) -> FloatArray:
    """Largest distance between both classes' distribution functions (two-sample Kolmogorov-Smirnov)."""
    distance = true / true[:, -1:]
    distance -= false / false[:, -1:]
    return np.asarray(np.maximum(distance.max(axis=1), -distance.min(axis=1)))


def _roc_auc(true: FloatArray, false: FloatArray) -> FloatArray:
    """Mann-Whitney: the share of pairs in which the positive row scores higher, ties half."""
    height = true[:, 1:] + true[:, :-1]
    doubled = np.einsum("bg,bg->b", np.diff(false, axis=1), height) + false[:, 0] * true[:, 0]
    return np.asarray(doubled / (2.0 * true[:, -1] * false[:, -1]))


def _pr_auc(true: FloatArray, false: FloatArray) -> FloatArray:
    """Average precision: the precision at each threshold, weighted by the recall gained there."""
    precision = true / np.maximum(true + false, 1e-300)
    gained = np.einsum("bg,bg->b", np.diff(true, axis=1), precision[:, 1:]) + true[:, 0] * precision[:, 0]
    return np.asarray(gained / true[:, -1])
