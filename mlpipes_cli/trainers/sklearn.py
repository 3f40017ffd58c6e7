"""Estimators and pipelines with scikit-learn's interface, by dotted path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlpipes_cli.metric_catalog import Task
from mlpipes_cli.trainers import estimators
from mlpipes_cli.trainers.answers import answers
from mlpipes_cli.trainers.base import Answers, Fitted, Training, TrainingError

if TYPE_CHECKING:
    import pandas as pd

STEP = "model"  # the estimator's name in our pipeline, beside `preprocess`


class SklearnTrainer:
    """``trainer: sklearn`` (see :class:`mlpipes_cli.trainers.base.Trainer` for the promises)."""

    def check(self, spec: Mapping[str, Any]) -> list[tuple[tuple[str | int, ...], str]]:
        """Make the estimator and hold the names of the search against it."""
        try:
            estimator = estimators.make(spec["estimator"], spec.get("params", {}))
        except TrainingError as error:
            return [(("params",), str(error))]
        problems: list[tuple[tuple[str | int, ...], str]] = []
        for name in (spec.get("search") or {}).get("space", {}):
            if name.startswith("preprocess__"):
                continue
            try:
                estimators.check_name(estimator, name)
            except TrainingError as error:
                problems.append((("search", name), str(error)))
        return problems

    def fit(self, training: Training) -> Fitted:
        """Fit the pipeline, or search for its best parameters by cross-validation first."""
        params = training.spec.get("params", {})
        estimator = estimators.make(training.spec["estimator"], params)
        _fits_the_task(estimator, training.task)
        pipeline = with_preprocessing(estimator, training)
        kept = params if pipeline is estimator else {f"{STEP}__{name}" for name in params}
        estimators.seed(pipeline, training.seed, dict.fromkeys(kept))
        if training.spec.get("search"):
            from mlpipes_cli.trainers.search import search

            return search(pipeline, training, prefix="" if pipeline is estimator else f"{STEP}__")
        pipeline.fit(training.X, training.y)
        return Fitted(pipeline)

    def answer(self, fitted: Fitted, X: pd.DataFrame, task: Task, classes: tuple[Any, ...]) -> Answers:
        """As scikit-learn's methods give them."""
        return answers(fitted.model, X, task, classes)


def _fits_the_task(estimator: Any, task: Task) -> None:
    from sklearn.base import is_classifier, is_regressor

    kind = type(estimator).__name__
    if not hasattr(type(estimator), "predict") and not hasattr(estimator, "predict"):
        raise TrainingError(f"{kind} has no `predict`; name an estimator, not a transformer")
    if task != "regression" and is_regressor(estimator):
        raise TrainingError(f"{kind} is a regressor, but the target holds classes; take a classifier")
    if task == "regression" and is_classifier(estimator):
        raise TrainingError(f"{kind} is a classifier, but the target is a quantity; take a regressor")


def preprocessing(training: Training) -> Any:
    """The unfitted transformer of ``preprocess: auto``, or ``passthrough``."""
    if training.preprocess != "auto":
        return "passthrough"
    from mlpipes_cli.preprocess import auto

    return auto.build(training.X, training.task)


def with_preprocessing(estimator: Any, training: Training) -> Any:
    """The estimator behind the preprocessing; itself where there is none."""
    if training.preprocess != "auto":
        return estimator
    from sklearn.pipeline import Pipeline

    return Pipeline([("preprocess", preprocessing(training)), (STEP, estimator)])
