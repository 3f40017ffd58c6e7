"""Chooses the threshold of a binary model's score on training rows that the model has not seen."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mlpipes_cli.trainers.base import Fitted, Trainer, Training, TrainingError, no_report
from mlpipes_cli.trainers.search.folds import folds
from mlpipes_cli.trainers.search.trials import asked, cut, refit

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

FOLDS = 5
SCORES = ("predict_proba", "decision_function")
HINT = "set `threshold: none` for this run"


@dataclass(frozen=True, eq=False)
class ChosenThreshold:
    """A model with its threshold.

    Attributes:
        fitted: The model, whose labels come from the threshold.
        threshold: The threshold of the positive class's score.
        scores: (n,) scores that it was chosen on, of the validation rows if there are any, else of the
            training rows, NaN for those that were not scored; None if the experiment file gives the threshold
            itself.
    """

    fitted: Fitted
    threshold: float
    scores: np.ndarray | None


def choose_threshold(trainer: Trainer, fitted: Fitted, training: Training) -> ChosenThreshold:
    """Choose by ``training.spec["threshold"]``, and wrap the model with the threshold.

    The scores are those of the validation rows, if there are any. Else they are out-of-fold predictions of
    the same run for the training rows: on five stratified folds
    drawn by the run's seed (fewer if the rarer class has fewer rows), or, if a feature orders the rows in
    time, fitted on the rows before. Scores of a library's own cross-validation are used if it keeps them.

    Raises:
        TrainingError: The model has no scores, a class has too few rows, or the number is not a probability.
    """
    from mlpipes_cli.scoring.thresholds import choose

    rule = training.spec["threshold"]
    _can_be_cut(fitted.model, rule, training)
    scores = None
    if isinstance(rule, (int, float)):
        threshold = float(rule)
    else:
        scores, labels = _unseen(trainer, fitted, training)
        scored, positive = _judging(scores, labels, training)
        threshold = choose(rule, positive[scored], scores[scored])
    model = thresholded(fitted.model, threshold, training.classes)
    return ChosenThreshold(replace(fitted, model=model), threshold, scores)


def _unseen(trainer: Trainer, fitted: Fitted, training: Training) -> tuple[np.ndarray, pd.Series]:
    """Return scores of rows that their model has not seen, and the labels of these rows."""
    if (held := training.validation) is not None:
        scores = trainer.answer(fitted, held.X, training.task, training.classes).scores
        if scores is None:
            raise TrainingError(f"threshold: the model returned no scores for the validation rows; {HINT}")
        return scores, held.y
    scores = fitted.out_of_fold
    return out_of_fold(trainer, fitted, training) if scores is None else scores, training.y


def out_of_fold(trainer: Trainer, fitted: Fitted, training: Training) -> np.ndarray:
    """Return (n,) the positive class's score of each training row, by a fit without that row.

    NaN for the first rows in time, which have no earlier rows to fit on.

    Raises:
        TrainingError: A class has fewer than two rows, or a fit gives no scores.
    """
    import numpy as np

    rarest = int(training.y.value_counts().min())
    if rarest < 2:
        raise TrainingError(
            f"threshold: {rarest} training row of a class is too few to choose a threshold; {HINT}"
        )
    again = fitted.again or refit(trainer, {}, fitted.name)
    plain = replace(training, report=no_report)
    scores = np.full(len(training.X), np.nan)
    for number, fold in enumerate(folds({"folds": min(FOLDS, rarest)}, training)):
        if training.y.iloc[fold.fit].nunique() < 2:  # in an order by time, a class may appear late
            continue
        found = asked(trainer, plain, cut(plain, fold), f"fold-{number}", again).scores
        if found is None:
            raise TrainingError(f"threshold: the model returned no scores on a fold; {HINT}")
        scores[fold.judge] = found
    return scores


def thresholded(model: Any, threshold: float, labels: tuple[Any, ...]) -> Any:
    """Wrap the model with its threshold.

    Of a plain pipeline only the last step is wrapped, so that it stays a pipeline.
    """
    from sklearn.pipeline import Pipeline

    from mlpipes_cli.trainers.models.threshold_model import Thresholded

    if type(model) is Pipeline and model.steps[-1][1] not in (None, "passthrough"):
        name, last = model.steps[-1]
        made = copy.copy(model)
        made.steps = [*model.steps[:-1], (name, Thresholded(last, threshold, labels))]
        return made
    return Thresholded(model, threshold, labels)


def _can_be_cut(model: Any, rule: Any, training: Training) -> None:
    if not any(hasattr(model, method) for method in SCORES):
        raise TrainingError(
            f"threshold: the model has no scores (neither {' nor '.join(SCORES)}) for a threshold; {HINT}"
        )
    if training.y.nunique() < 2:
        raise TrainingError(f"threshold: all training rows have the same class; {HINT}")
    unknown = set(training.classes) - set(getattr(model, "classes_", training.classes))
    if unknown:
        raise TrainingError(f"threshold: the model does not know the label {next(iter(unknown))!r}")
    if isinstance(rule, (int, float)) and hasattr(model, SCORES[0]) and not 0.0 <= rule <= 1.0:
        raise TrainingError(f"threshold: the model's scores are probabilities, but {rule:g} is not one")


def _judging(scores: np.ndarray, y: pd.Series, training: Training) -> tuple[np.ndarray, np.ndarray]:
    """Return (n,) which rows have a score, and which are of the positive class."""
    import numpy as np

    scored, positive = np.isfinite(scores), (y == training.classes[1]).to_numpy()
    if not 0 < positive[scored].sum() < scored.sum():
        raise TrainingError(f"threshold: all scored rows have the same class; {HINT}")
    return scored, positive
