"""Metrics of predicted labels, from the counts of each pair of true and predicted label."""

from __future__ import annotations

import numpy as np

from mlpipes_cli.scoring.predictions import FloatArray, IntArray
from mlpipes_cli.scoring.resampling import columns


class LabelCounts:
    """The rows sorted by their (true, predicted) pair, once for all resamples.

    Args:
        target: (n,) positions in the classes.
        prediction: (n,) positions in the classes.
        classes: The number of classes.
    """

    def __init__(self, target: IntArray, prediction: IntArray, classes: int) -> None:
        cells = target * classes + prediction
        self._order = np.argsort(cells, kind="stable")
        found, self._starts = np.unique(cells[self._order], return_index=True)
        true, predicted = np.divmod(found, classes)
        self._true, self._predicted = np.eye(classes)[true], np.eye(classes)[predicted]
        self._correct = self._true * (true == predicted)[:, None]

    def __call__(self, weights: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return correct, true and predicted rows of each class, (B, classes) each, for (B, n) weights."""
        cells = np.add.reduceat(columns(weights, self._order), self._starts, axis=1)
        return cells @ self._correct, cells @ self._true, cells @ self._predicted


def ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    """Return ``part / whole``, and 0 where the whole is 0."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole != 0)


def overall(correct: FloatArray, true: FloatArray, predicted: FloatArray) -> dict[str, FloatArray]:
    """Return accuracy, and Matthews' correlation in Gorodkin's form for any number of classes (2004)."""
    rows, hits = true.sum(axis=1), correct.sum(axis=1)
    covariance = hits * rows - np.einsum("bk,bk->b", true, predicted)
    spread = (rows**2 - (predicted**2).sum(axis=1)) * (rows**2 - (true**2).sum(axis=1))
    return {"mcc": ratio(covariance, np.sqrt(spread)), "accuracy": ratio(hits, rows)}


def by_class(correct: FloatArray, true: FloatArray, predicted: FloatArray) -> dict[str, FloatArray]:
    """Return F1, precision and recall of each class, (B, classes) each."""
    return {
        "f1": ratio(2.0 * correct, true + predicted),
        "precision": ratio(correct, predicted),
        "recall": ratio(correct, true),
    }


def averaged(values: FloatArray, true: FloatArray, present: np.ndarray) -> tuple[FloatArray, FloatArray]:
    """Return the macro mean over the classes that are present, and the mean weighted by true rows."""
    counted = present.astype(np.float64)
    macro = ratio((values * counted).sum(axis=1), counted.sum(axis=1))
    return macro, ratio((values * true).sum(axis=1), true.sum(axis=1))
