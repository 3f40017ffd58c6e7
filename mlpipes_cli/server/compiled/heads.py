"""Convert an estimator's raw numbers to labels and scores, in the order of the model's classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlpipes_cli.scoring.score_reader import ScoreReader
from mlpipes_cli.server.compiled.base import CompiledScores, Details, NotCompilable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlpipes_cli.server.compiled.base import Answer, Matrix

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Head:
    """How a classifier's numbers are converted.

    Attributes:
        labels: The estimator's own labels, in its order.
        method: The source of scores: ``predict_proba`` or ``decision_function``; None for no scores.
        positive: The column of the positive class; None for more than two classes.
        order: The estimator's columns in the order of the model's classes.
    """

    labels: list[Any]
    method: str | None
    positive: int | None
    order: list[int]

    def binary(
        self, decision: Floats, proba: Callable[[Floats], Floats] | None, at_zero: bool
    ) -> CompiledScores:
        """Return the answers from one number per row, the decision for the second class.

        Args:
            decision: (n,).
            proba: From the decision to the second class's probability.
            at_zero: Whether a decision of exactly 0 is for the second class.
        """
        first, second = self.labels
        plain = decision.tolist()
        if at_zero:
            predictions = [second if value >= 0 else first for value in plain]
        else:
            predictions = [second if value > 0 else first for value in plain]
        if self.method is None:
            return CompiledScores(predictions, None)
        if self.method == "decision_function" or proba is None:
            return CompiledScores(predictions, plain if self.positive == 1 else (-decision).tolist())
        chance = proba(decision)
        return CompiledScores(predictions, (chance if self.positive == 1 else 1 - chance).tolist())

    def table(self, decision: Floats, scores: Floats) -> CompiledScores:
        """Return the answers from one number per class: the largest decision wins, the first among equals.

        Args:
            decision: (n, classes).
            scores: (n, classes), of the same or of another kind.
        """
        predictions = [self.labels[at] for at in decision.argmax(axis=1).tolist()]
        if self.method is None:
            return CompiledScores(predictions, None)
        chosen = scores[:, self.order] if self.positive is None else scores[:, self.positive]
        return CompiledScores(predictions, chosen.tolist())


def head(estimator: Any, details: Details) -> Head:
    """Return the head of a classifier with one target.

    Raises:
        NotCompilable: It has no list of at least two classes.
    """
    classes = getattr(estimator, "classes_", None)
    if not isinstance(classes, np.ndarray) or classes.ndim != 1 or len(classes) < 2:
        raise NotCompilable("the classifier has no list of two or more classes")
    reader = ScoreReader.of(estimator, details)
    if reader is None:
        return Head(classes.tolist(), None, None, [])
    method = "predict_proba" if hasattr(estimator, "predict_proba") else "decision_function"
    return Head(classes.tolist(), method, reader.positive, list(reader.order))


def boosted(estimator: Any, details: Details, decide: Callable[[Matrix], Floats], *, at_zero: bool) -> Answer:
    """Return the answer of scikit-learn's boosting classifiers from their decisions.

    Args:
        estimator: Its loss converts decisions to probabilities.
        details: The metadata of the model.
        decide: To the decisions, (n, 1) for two classes or (n, classes).
        at_zero: Whether a decision of exactly 0 is for the second of two classes.

    Raises:
        NotCompilable: It has no list of at least two classes.
    """
    reading, loss = head(estimator, details), estimator._loss
    if len(reading.labels) == 2:
        return lambda X: reading.binary(decide(X)[:, 0], loss.link.inverse, at_zero=at_zero)

    def answer(X: Matrix) -> CompiledScores:
        decision = decide(X)
        return reading.table(decision, loss.predict_proba(decision))

    return answer
