"""Chooses the threshold of a binary score: rows with the threshold or more are predicted positive."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mlpipes_cli.scoring import labels
from mlpipes_cli.scoring.predictions import AnyArray, FloatArray, IntArray

Rule = str | float | Mapping[str, Any]
"""``f1``, ``mcc``, ``{"cost": {"false_positive": a, "false_negative": b}}``, ``{"rate": r}``, or the
threshold itself."""

_ROUNDING = 1e-9  # of a row: 0.29 * 100 is a little less than 29


def choose(rule: Rule, positive: AnyArray, scores: FloatArray) -> float:
    """Choose the threshold that a rule prefers on rows with a known target.

    Every possible cut of the scores is tried. Of several equally good ones, the one that predicts the fewest
    positive rows is taken. The threshold lies midway between the lowest score that is predicted positive and
    the next one below it, so that rounding elsewhere or by another library changes no label.

    ``rate`` predicts as many rows positive as possible without exceeding the share, and at least those with
    the highest score. ``cost`` may prefer to predict no row positive: then the threshold lies just above the
    highest score.

    Args:
        rule: The rule; a number is returned unchanged.
        positive: (n,) booleans, the true classes.
        scores: (n,) finite, larger means more likely positive.
    """
    if isinstance(rule, (int, float)):
        return float(rule)
    steps, true, false = _counts(np.asarray(positive, dtype=bool), np.asarray(scores, dtype=np.float64))
    if isinstance(rule, Mapping) and "rate" in rule:
        most = float(rule["rate"]) * len(scores) + _ROUNDING
        at = max(0, int((true + false <= most).sum()) - 1)
    else:
        at = int(_worth(rule, int(np.sum(positive)), len(scores), true, false).argmax())
        if at == len(steps):  # predicting no row positive is best
            return float(np.nextafter(steps[0], np.inf))
    return _midway(steps, at)


def at(threshold: float, scores: FloatArray, classes: tuple[Any, ...]) -> AnyArray:
    """Return (n,) labels of (n,) scores; the classes are (negative, positive)."""
    kinds = {type(label) for label in classes}
    both = np.array(classes, dtype=object if kinds - {int, bool} or len(kinds) > 1 else None)
    labels_: AnyArray = both[(np.asarray(scores, dtype=np.float64) >= threshold).astype(np.int64)]
    return labels_


def _counts(positive: AnyArray, scores: FloatArray) -> tuple[FloatArray, IntArray, IntArray]:
    """Return the distinct scores in falling order, and the positive and negative rows with each or more."""
    rising, index = np.unique(scores, return_inverse=True)
    true = np.bincount(index[positive], minlength=len(rising))[::-1].cumsum()
    false = np.bincount(index[~positive], minlength=len(rising))[::-1].cumsum()
    return rising[::-1], true, false


def _worth(rule: Rule, positives: int, rows: int, true: IntArray, false: IntArray) -> FloatArray:
    """Return (g,) the value of each cut, and for costs one more: that of predicting no row positive."""
    if isinstance(rule, Mapping):
        costs = rule["cost"]
        wrong = float(costs["false_positive"]) * np.append(false, 0)
        missed = float(costs["false_negative"]) * np.append(positives - true, positives)
        return -(wrong + missed)
    called = true + false
    truth = np.broadcast_to(np.array([rows - positives, positives], dtype=np.float64), (len(true), 2))
    predicted = np.stack([rows - called, called], axis=1).astype(np.float64)
    correct = np.stack([rows - positives - false, true], axis=1).astype(np.float64)
    if rule == "f1":
        return labels.by_class(correct, truth, predicted)["f1"][:, 1]
    return labels.overall(correct, truth, predicted)["mcc"]


def _midway(steps: FloatArray, at: int) -> float:
    """Return the middle of a score and the next one below, or the score if no number is in between."""
    upper = float(steps[at])
    if at + 1 == len(steps):
        return upper
    lower = float(steps[at + 1])
    middle = lower + (upper - lower) / 2.0
    return middle if lower < middle <= upper else upper
