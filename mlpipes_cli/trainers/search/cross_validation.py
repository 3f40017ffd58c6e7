"""Cross-validates a fitted candidate on its training rows, beside the metrics of the holdout.

The metrics are those of :mod:`mlpipes_cli.scoring`, the same as for the holdout.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlpipes_cli.trainers.base import Answers, Fitted, Trainer, Training, TrainingError, no_report
from mlpipes_cli.trainers.search.folds import folds
from mlpipes_cli.trainers.search.trials import asked, cut, refit

if TYPE_CHECKING:
    import pandas as pd


def cross_validated(
    trainer: Trainer, fitted: Fitted, training: Training, threshold: float | None
) -> dict[str, float]:
    """Return the mean of each metric over the folds of ``training.spec["cross_validate"]``.

    Each fold is predicted by a model that was fitted on the other folds with the params of the fitted one. A
    metric that is not defined on each fold is left out.

    Args:
        trainer: The trainer.
        fitted: The candidate, fitted on all training rows.
        training: The training rows.
        threshold: The candidate's threshold, which labels the rows of the folds too; None: as its library
            labels.

    Raises:
        TrainingError: The rows cannot be divided into folds.
    """
    again = fitted.again or refit(trainer, {}, fitted.name)
    plain = replace(training, report=no_report)
    found: list[Mapping[str, float]] = []
    for number, fold in enumerate(folds({"folds": training.spec["cross_validate"]}, training)):
        rows = cut(plain, fold)
        if training.task != "regression" and rows[1].nunique() < 2:
            raise TrainingError(f"cross_validate: the rows to fit fold {number + 1} on are of one class")
        answers = asked(trainer, plain, rows, f"cross-{number}", again)
        found.append(_metrics(answers, rows[3], training, threshold))
    names = set[str].intersection(*(set(metrics) for metrics in found))
    return {name: sum(metrics[name] for metrics in found) / len(found) for name in found[0] if name in names}


def _metrics(
    answers: Answers, truth: pd.Series, training: Training, threshold: float | None
) -> dict[str, float]:
    import math

    import numpy as np

    from mlpipes_cli.scoring import thresholds
    from mlpipes_cli.scoring.metrics import evaluate
    from mlpipes_cli.scoring.predictions import Predictions

    labels: Any = answers.prediction
    if threshold is not None and answers.scores is not None:
        labels = thresholds.at(threshold, answers.scores, training.classes)
    ids = np.arange(len(truth))
    predictions = Predictions(training.task, training.classes, truth.to_numpy(), answers.scores, labels, ids)
    return {name: float(value) for name, value in evaluate(predictions).items() if math.isfinite(value)}
