"""Keras models: from layers in YAML, or from the user's function.

The function gets the arguments that it accepts by name: ``input_shape`` (of one row: ``(columns,)``,
``(h, w, channels)`` for an image, a dict of both if there are several), ``task``, ``n_classes`` (0 for
regression), ``n_outputs``, ``n_features`` (columns that are not images), ``params`` (all of the run's),
``seed``, and the contents of ``params: function``. It returns a model, compiled or not, that outputs
probabilities: one output (sigmoid) or one for each class (softmax); for regression, one output.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli.metric_catalog import Task
from mlpipes_cli.trainers import estimators
from mlpipes_cli.trainers.base import Answers, Fitted, Problem, Training, TrainingError
from mlpipes_cli.trainers.keras import fit as keras_fit
from mlpipes_cli.trainers.keras import parts as keras_parts
from mlpipes_cli.trainers.model_answers import answers
from mlpipes_cli.trainers.networks import named
from mlpipes_cli.trainers.networks.rows import NetworkRows, finished, rows
from mlpipes_cli.trainers.networks.settings import Settings, settings

if TYPE_CHECKING:
    import pandas as pd

OWN = ("function", "reduce_on_plateau", "callbacks")
PINS = ("keras", "tensorflow", "tensorflow-cpu")


class KerasTrainer:
    """``trainer: keras`` (see :class:`mlpipes_cli.trainers.base.Trainer` for the contract)."""

    def check(self, spec: Mapping[str, Any]) -> list[Problem]:
        """Create each layer, the optimizer and the callbacks, and check the function's arguments."""
        try:
            layers, params = keras_parts.chosen(spec.get("layers") or (), spec.get("params") or {})
            how = settings(params, OWN)
        except TrainingError as error:
            return [(("params",), str(error).removeprefix("params: "))]
        _quietly()
        problems = keras_parts.problems(layers, params)
        if spec.get("function"):
            problems += _function_problems(spec["function"], how.own.get("function", {}))
        return problems

    def fit(self, training: Training) -> Fitted:
        """Fit the model; the result is the model as written to a file and read back."""
        import keras

        from mlpipes_cli.trainers.models.keras_model import KerasNet, use_threads

        layers, params = keras_parts.chosen(
            training.spec.get("layers") or (), training.spec.get("params") or {}
        )
        how = settings(params, OWN)
        _quietly()
        found = rows(training, how)
        use_threads(training.threads)
        keras.utils.clear_session()
        keras.utils.set_random_seed(training.seed)
        _deterministic()
        model = _made(found, training, layers, how)
        outputs = keras_fit.outputs_of(model, found, training)
        keras_fit.compile_model(model, how, training.task, outputs)
        progress = keras_fit.fit(model, found, how, training, outputs)
        file = training.scratch / "model.keras"
        content = _written(model, file)
        net = KerasNet(content, keras_parts.users_own(content, training.spec.get("function")), outputs)
        _answers_well(net, found, training)
        logged = {"epochs_run": progress.epochs, "weights": int(model.count_params())}
        if progress.best_epoch:
            logged["best_epoch"] = progress.best_epoch
        fitted = finished(training, found, net, logits=False, params=logged, pins=PINS)
        fitted.files["model.keras"] = file
        written = training.scratch / "callbacks"
        if written.is_dir():
            fitted.files["callbacks"] = written
        return fitted

    def answer(self, fitted: Fitted, X: pd.DataFrame, task: Task, classes: tuple[Any, ...]) -> Answers:
        """Predict with the fitted model."""
        return answers(fitted.model, X, task, classes)


def _quietly() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def _deterministic() -> None:
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()


def _function_problems(path: str, given: Mapping[str, Any]) -> list[Problem]:
    try:
        function = estimators.load(path)
    except TrainingError as error:
        return [(("function",), str(error))]
    if not callable(function):
        return [(("function",), f"{path!r} is a {type(function).__name__}, not a function")]
    return named.takes(function, path, given, ("params", "function"))


def _made(found: NetworkRows, training: Training, layers: list[Any], how: Settings) -> Any:
    """Create the unfitted model.

    Raises:
        TrainingError: The layers do not fit each other, or the function did not return a Keras model.
    """
    import keras

    spec, shapes = training.spec, found.shapes()
    shape: Any = shapes if len(shapes) > 1 else next(iter(shapes.values()))
    outputs = len(training.classes) if training.task == "multiclass" else 1
    if layers:
        if len(shapes) > 1:
            raise TrainingError(
                f"`layers` must be a sequence with one input; these are {', '.join(shapes)}: use a "
                "`function` that builds the model"
            )
        return keras_parts.from_layers(layers, shape, training.task, outputs, spec.get("output") is not False)
    path = spec["function"]
    offered = {
        "input_shape": shape,
        "task": training.task,
        "n_classes": len(training.classes),
        "n_outputs": outputs,
        "n_features": shapes.get("table", (0,))[0],
        "params": dict(spec.get("params") or {}),
        "seed": training.seed,
    }
    model = named.call(estimators.load(path), path, how.own.get("function", {}), offered)
    if not isinstance(model, keras.Model):
        raise TrainingError(f"{path} returned a {type(model).__name__}, not a keras.Model")
    return model


def _written(model: Any, file: Path) -> bytes:
    try:
        model.save(file)
    except Exception as error:
        raise TrainingError(f"the model cannot be saved: {named.first_line(error)}") from error
    return file.read_bytes()


def _answers_well(net: Any, found: NetworkRows, training: Training) -> None:
    """Check that the model which was read back outputs probabilities.

    Raises:
        TrainingError: It cannot be read back, or its output is not probabilities.
    """
    import numpy as np

    try:
        given = net({name: values[:64] for name, values in found.parts.items()})
    except Exception as error:
        raise TrainingError(f"the saved model cannot be read back: {named.first_line(error)}") from error
    if training.task == "regression":
        return
    away = given.min() < -1e-3 or given.max() > 1.001
    if away or (given.shape[1] > 1 and np.abs(given.sum(axis=1) - 1.0).max() > 1e-3):
        raise TrainingError(
            "the model's outputs are not probabilities; end it with a sigmoid (one output) or a softmax "
            "(one output for each class)"
        )
