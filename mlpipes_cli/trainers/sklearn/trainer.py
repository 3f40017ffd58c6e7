"""Estimators and pipelines with scikit-learn's interface, by dotted path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlpipes_cli.metric_catalog import Task
from mlpipes_cli.trainers import estimators, fit_arguments
from mlpipes_cli.trainers.base import Answers, Fitted, Training, TrainingError
from mlpipes_cli.trainers.model_answers import answers
from mlpipes_cli.trainers.preprocessing import preprocessing
from mlpipes_cli.trainers.search.thresholds import HINT, SCORES
from mlpipes_cli.trainers.sklearn import boosting, tree_models

if TYPE_CHECKING:
    import pandas as pd

STEP = "model"  # the estimator's name in the pipeline, beside `preprocess`


class SklearnTrainer:
    """``trainer: sklearn`` (see :class:`mlpipes_cli.trainers.base.Trainer` for the contract)."""

    def check(self, spec: Mapping[str, Any]) -> list[tuple[tuple[str | int, ...], str]]:
        """Create the estimator and check the names of the search against it."""
        try:
            estimator = estimators.make(spec["estimator"], spec.get("params", {}))
        except TrainingError as error:
            return [(("params",), str(error))]
        problems: list[tuple[tuple[str | int, ...], str]] = []
        kind = type(estimator)
        if spec.get("threshold") is not None and not any(hasattr(kind, method) for method in SCORES):
            text = f"{kind.__name__} returns no scores (neither {' nor '.join(SCORES)}) for a threshold; "
            problems.append((("threshold",), f"{text}{HINT}"))
        for name in (spec.get("search") or {}).get("space", {}):
            if name.startswith("preprocess__"):
                continue
            try:
                estimators.check_name(estimator, name)
            except TrainingError as error:
                problems.append((("search", name), str(error)))
        return problems

    def fit(self, training: Training) -> Fitted:
        """Fit the pipeline; params of a search named ``preprocess__...`` apply to its first step."""
        params = training.spec.get("params", {})
        before = {name: value for name, value in params.items() if _is_before(name, training)}
        params = {name: value for name, value in params.items() if name not in before}
        estimator = estimators.make(training.spec["estimator"], params)
        _fits_the_task(estimator, training.task)
        boosting.set_params(estimator, params, training)
        more = boosting.fit_params(estimator, params, training)
        more |= fit_arguments.stopping(estimator, training) | fit_arguments.weights(estimator, training)
        last = boosting.plain(estimator, params, training)
        pipeline = with_preprocessing(last, training, scale=not tree_models.only_trees(estimator))
        estimators.set_params(pipeline, before)
        step = "" if pipeline is last else f"{STEP}__"
        kept = f"{step}{'' if last is estimator else 'estimator__'}"
        estimators.seed(pipeline, training.seed, {f"{kept}{name}": None for name in params})
        fit_arguments.fit(pipeline, last, step, more, training)
        return Fitted(pipeline)

    def answer(self, fitted: Fitted, X: pd.DataFrame, task: Task, classes: tuple[Any, ...]) -> Answers:
        """Predict with scikit-learn's methods."""
        return answers(fitted.model, X, task, classes)


def _is_before(name: str, training: Training) -> bool:
    return training.preprocess == "auto" and name.startswith("preprocess__")


def _fits_the_task(estimator: Any, task: Task) -> None:
    from sklearn.base import is_classifier, is_regressor

    kind = type(estimator).__name__
    if not hasattr(type(estimator), "predict") and not hasattr(estimator, "predict"):
        raise TrainingError(f"{kind} has no `predict`; name an estimator, not a transformer")
    if task != "regression" and is_regressor(estimator):
        raise TrainingError(f"{kind} is a regressor, but the target has classes; use a classifier")
    if task == "regression" and is_classifier(estimator):
        raise TrainingError(f"{kind} is a classifier, but the target is numeric; use a regressor")


def with_preprocessing(estimator: Any, training: Training, scale: bool) -> Any:
    """Place the estimator behind the preprocessing, if there is any."""
    if training.preprocess != "auto":
        return estimator
    from sklearn.pipeline import Pipeline

    return Pipeline([("preprocess", preprocessing(training, scale)), (STEP, estimator)])
