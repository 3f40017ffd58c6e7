"""Reads the scores of a native estimator, in the order of the model's classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class ScoreReader:
    """Reads scores from an estimator.

    Attributes:
        estimator: Has ``predict_proba`` or ``decision_function``; None if it runs in another process.
        positive: The column of the positive class; None for more than two classes.
        order: The estimator's columns in the order of the model's classes.
        probabilities: Whether the scores are probabilities, that is, whether the estimator has
            ``predict_proba``.
    """

    estimator: Any
    positive: int | None
    order: tuple[int, ...]
    probabilities: bool

    @classmethod
    def of(cls, estimator: Any, details: Mapping[str, Any]) -> ScoreReader | None:
        """Return a reader, or None for regression and for a model without scores.

        Args:
            estimator: The native model, or None.
            details: ``classes`` and ``positive`` as training recorded them; without them the
                estimator's own order applies, and the last of two classes is the positive one.
        """
        if estimator is None or details.get("task") == "regression":
            return None
        own = _classes(estimator)
        if own is None or not (
            hasattr(estimator, "predict_proba") or hasattr(estimator, "decision_function")
        ):
            return None
        classes = list(details.get("classes") or own)
        if sorted(map(str, classes)) != sorted(map(str, own)):
            return None
        order = tuple(_position(own, label) for label in classes)
        probabilities = hasattr(estimator, "predict_proba")
        if len(own) != 2:
            return cls(estimator, None, order, probabilities)
        positive = details.get("positive")
        column = order[-1] if positive not in classes else _position(own, positive)
        return cls(estimator, column, order, probabilities)

    @property
    def classes(self) -> int:
        """The number of classes."""
        return len(self.order)

    def table(self, scores: Sequence[Any]) -> list[list[Any]]:
        """Convert the result of :meth:`read` to one probability for each class, in the model's order."""
        if self.positive is None:
            return list(scores)
        last = self.order.index(self.positive) == 1
        return [[1.0 - score, score] if last else [score, 1.0 - score] for score in scores]

    def read(self, data: Any) -> list[Any]:
        """Return the positive class's score of each row, or a list of scores of each row (one a class)."""
        if self.probabilities:
            table = np.asarray(self.estimator.predict_proba(data), dtype=float)
        else:
            table = np.asarray(self.estimator.decision_function(data), dtype=float)
            if table.ndim == 1:
                table = np.column_stack([-table, table])
        chosen = table[:, self.positive] if self.positive is not None else table[:, list(self.order)]
        return list(chosen.tolist())


def split(native: Any) -> tuple[Any | None, Any]:
    """Split a plain pipeline into its transformers and its last step.

    Labels and scores can then share the transformation. The pipeline's own ``predict`` and ``predict_proba``
    do nothing else.
    """
    if native is None:
        return None, None
    from sklearn.pipeline import Pipeline

    if type(native) is not Pipeline or len(native.steps) < 2 or native.steps[-1][1] in (None, "passthrough"):
        return None, native
    return native[:-1], native[-1]


def _classes(estimator: Any) -> list[Any] | None:
    found = getattr(estimator, "classes_", None)
    if found is None or isinstance(found, list):  # several targets: a list of arrays
        return None
    return list(np.asarray(found).tolist())


def _position(own: Sequence[Any], label: Any) -> int:
    """Return the position of the label.

    The same value takes precedence over the same text, for labels that were stored as JSON.
    """
    for position, value in enumerate(own):
        if value == label and isinstance(value, bool) == isinstance(label, bool):
            return position
    return [str(value) for value in own].index(str(label))
