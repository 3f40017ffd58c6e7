"""Labels by a threshold of the score (:mod:`mlpipes_cli.trainers.models.threshold_model`), without numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlpipes_cli.scoring.score_reader import ScoreReader
from mlpipes_cli.server.compiled import guards
from mlpipes_cli.server.compiled.base import CompiledScores, Details, NotCompilable
from mlpipes_cli.trainers.models.threshold_model import Thresholded

if TYPE_CHECKING:
    from mlpipes_cli.server.compiled.base import Answer, Matrix


def has_one(estimator: Any) -> bool:
    """Return whether the estimator is wrapped in a threshold model by the same code as the installed one."""
    return guards.same_method(type(estimator), Thresholded, "predict")


def cut(answer: Answer, model: Any, details: Details) -> Answer:
    """Return the answers of the wrapped estimator, with labels by the threshold of its scores.

    Raises:
        NotCompilable: The scores are not those of the class that the threshold applies to.
    """
    own = model.classes_.tolist()
    reader = ScoreReader.of(model.estimator, details)
    if reader is None or reader.positive is None or own[reader.positive] != model.labels[1]:
        raise NotCompilable("the scores differ from those of the threshold")
    positive, negative = own[reader.positive], own[1 - reader.positive]
    threshold = float(model.threshold)

    def labelled(X: Matrix) -> CompiledScores:
        scores = answer(X).scores
        assert scores is not None
        return CompiledScores([positive if score >= threshold else negative for score in scores], scores)

    return labelled
