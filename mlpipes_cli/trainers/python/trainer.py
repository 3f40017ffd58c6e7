"""The user's own function: ``def train(X, y, **params) -> estimator``.

With ``preprocess: auto`` the function gets the preprocessed training features (finite numbers in named
columns), and the returned estimator is placed behind the preprocessing. A function that has a parameter
``preprocess`` gets the raw features instead, and the unfitted transformer to put into a pipeline of its own;
with ``preprocess: none`` it gets the raw features, and ``"passthrough"``. If there are images among the
features, they are the bytes of their files, and nothing is preprocessed.
The function gets by name, if it accepts them: ``seed`` (int), ``task`` (binary, multiclass, regression) and
``threads``; ``sample_weight`` (n,), which it has to accept if the rows have weights; and ``validation_rows``,
the validation rows of a data set as (X, y) with X as the training features, or None.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlpipes_cli.metric_catalog import Task
from mlpipes_cli.suggest import did_you_mean
from mlpipes_cli.trainers import estimators
from mlpipes_cli.trainers.base import Answers, Fitted, Training, TrainingError
from mlpipes_cli.trainers.fit_arguments import NO_WEIGHTS
from mlpipes_cli.trainers.model_answers import answers
from mlpipes_cli.trainers.preprocessing import preprocessing
from mlpipes_cli.trainers.python.category_models import remade

if TYPE_CHECKING:
    import pandas as pd

FILLED = ("seed", "task", "threads", "preprocess", "sample_weight", "validation_rows")
_MAYBE = ("sample_weight", "validation_rows")  # filled only where there are some, or the function insists
POSITIONAL = 2  # X and y


class PythonTrainer:
    """``trainer: python`` (see :class:`mlpipes_cli.trainers.base.Trainer` for the contract)."""

    def check(self, spec: Mapping[str, Any]) -> list[tuple[tuple[str | int, ...], str]]:
        """Import the function and check the params against it."""
        path = spec["function"]
        try:
            function = estimators.load(path)
        except TrainingError as error:
            return [(("function",), str(error))]
        if not callable(function):
            return [(("function",), f"{path!r} is a {type(function).__name__}, not a function")]
        try:
            parameters = inspect.signature(function).parameters
        except (TypeError, ValueError):
            return []
        if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            return []
        known = list(parameters)[POSITIONAL:]
        return [
            (("params", name), f"{path} does not accept {name!r}{did_you_mean(name, known)}")
            for name in spec.get("params", {})
            if name not in known
        ]

    def fit(self, training: Training) -> Fitted:
        """Call the function and check what it returned."""
        from mlpipes_cli.preprocess.preprocessed_model import with_preprocessing

        path = training.spec["function"]
        function = estimators.load(path)
        params = {name: estimators.value_of(v) for name, v in training.spec.get("params", {}).items()}
        held = training.validation
        offered = {
            "seed": training.seed,
            "task": training.task,
            "threads": training.threads,
            "sample_weight": training.weights,
            "validation_rows": held and (held.X.copy(), held.y.copy()),
        }
        filled = _filled(function, params, offered, training)
        rows, y = training.X, training.y.copy()
        if training.weights is not None and "sample_weight" not in filled:
            raise TrainingError(without_weights(path))
        step = None
        if training.preprocess == "auto" and "preprocess" not in filled and not training.images:
            step = preprocessing(training)
            rows = step.fit_transform(rows, y)
            if filled.get("validation_rows") is not None:
                X, judged = filled["validation_rows"]
                filled["validation_rows"] = (step.transform(X), judged)
        X = rows.copy()
        model = function(X, y, **params, **filled)
        if model is None:
            raise TrainingError(f"{path} returned nothing; it must return the fitted estimator")
        if not callable(getattr(model, "predict", None)):
            raise TrainingError(f"{path} returned a {type(model).__name__}, which has no `predict`")
        if not training.images:
            model = remade(model, rows, X)
        return Fitted(model if step is None else with_preprocessing(step, model))

    def answer(self, fitted: Fitted, X: pd.DataFrame, task: Task, classes: tuple[Any, ...]) -> Answers:
        """Predict with scikit-learn's methods."""
        return answers(fitted.model, X, task, classes)


def without_weights(path: str) -> str:
    """Return the message for a function that does not take the weights of the rows."""
    return f"{path} has no parameter `sample_weight` for the weights; {NO_WEIGHTS}"


def _filled(
    function: Any, params: Mapping[str, Any], offered: Mapping[str, Any], training: Training
) -> dict[str, Any]:
    """Return the arguments that the function accepts by name and the user did not give."""
    try:
        found = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}
    takes = set(list(found)[POSITIONAL:])
    for name in _MAYBE:
        if offered[name] is None and name in takes and found[name].default is not inspect.Parameter.empty:
            takes.remove(name)
    filled = {name: value for name, value in offered.items() if name in takes and name not in params}
    if "preprocess" in takes and "preprocess" not in params:
        filled["preprocess"] = "passthrough" if training.images else preprocessing(training)
    return filled
