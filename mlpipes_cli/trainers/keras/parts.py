"""Finds Keras' layers, optimizers and callbacks by name, and builds models of them."""

from __future__ import annotations

import importlib
import io
import json
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlpipes_cli.metric_catalog import Task
from mlpipes_cli.suggest import did_you_mean
from mlpipes_cli.trainers.base import Problem, TrainingError
from mlpipes_cli.trainers.networks import named
from mlpipes_cli.trainers.networks.named import Named

_OF_EVERY_LAYER = ("name", "dtype", "trainable", "activity_regularizer")
_OF_EVERY_OPTIMIZER = (
    "weight_decay", "clipnorm", "clipvalue", "global_clipnorm", "use_ema", "ema_momentum",
    "ema_overwrite_frequency", "loss_scale_factor", "gradient_accumulation_steps", "name",
)  # fmt: skip
_FILES = ("filepath", "filename", "log_dir", "backup_dir")  # arguments of callbacks that name files to write


def layer_names() -> Named:
    """Return the names allowed in ``layers``."""
    import keras

    nested = ("layer", "backward_layer", "cell")
    return Named(keras.layers, keras.layers.Layer, "layer", _OF_EVERY_LAYER, nested)


def optimizer_names() -> Named:
    """Return the names allowed in ``optimizer``."""
    import keras

    return Named(keras.optimizers, keras.optimizers.Optimizer, "optimizer", _OF_EVERY_OPTIMIZER)


def callback_names() -> Named:
    """Return the names allowed in ``callbacks``."""
    import keras

    return Named(keras.callbacks, keras.callbacks.Callback, "callback")


def problems(layers: Sequence[Any], params: Mapping[str, Any]) -> list[Problem]:
    """Return the problems of the names in a run, found by creating what they name."""
    import keras

    known = layer_names()
    found = [
        problem for index, layer in enumerate(layers) for problem in known.problems(layer, ("layers", index))
    ]
    if "optimizer" in params:
        found += optimizer_names().problems(params["optimizer"], ("params", "optimizer"))
    callbacks = callback_names()
    for index, callback in enumerate(params.get("callbacks") or ()):
        found += callbacks.problems(callback, ("params", "callbacks", index))
    if params.get("loss"):
        losses = Named(keras.losses, keras.losses.Loss, "loss")
        try:
            keras.losses.get(params["loss"])
        except ValueError:
            near = did_you_mean(params["loss"], ["mse", "mae", "mape", "msle", *losses.names])
            found.append((("params", "loss"), f"unknown loss {params['loss']!r}{near}"))
    return found


def chosen(layers: Sequence[Any], params: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Apply the values that a search chose for layers, ``layers__0__units: 64``.

    Return the layers, and the other params.

    Raises:
        TrainingError: There is no such layer.
    """
    found, rest = list(layers), {}
    for key, value in params.items():
        outer, _, inner = key.partition("__")
        if outer != "layers":
            rest[key] = value
            continue
        index, _, argument = inner.partition("__")
        if not index.isdigit() or int(index) >= len(found) or not argument:
            raise TrainingError(
                f"params: {key!r}: expected layers__NUMBER__ARGUMENT, NUMBER from 0 to {len(found) - 1}"
            )
        name, arguments = named.split(found[int(index)])
        given = arguments if isinstance(arguments, Mapping) else {}
        found[int(index)] = {name: {**given, argument: value}}
    return found, rest


def from_layers(
    layers: Sequence[Any], shape: tuple[int, ...], task: Task, outputs: int, with_output: bool
) -> Any:
    """Build a sequential model of layers, with the output that the task needs.

    Args:
        layers: Names and arguments.
        shape: The shape of one row.
        task: Determines the last activation: sigmoid, softmax or none.
        outputs: The number of outputs that the model needs.
        with_output: Whether to add the output layer.

    Raises:
        TrainingError: A layer cannot be created, or does not fit the one before it.
    """
    import keras

    known = layer_names()
    start = keras.Input(shape)
    given = start
    for index, layer in enumerate(layers):
        try:
            given = known.make(layer)(given)
        except TrainingError as error:
            raise TrainingError(f"layers -> {index} -> {error}") from None
        except Exception as error:  # noqa: BLE001 (a layer may raise anything on its input)
            name = named.split(layer)[0]
            raise TrainingError(f"layers -> {index} -> {name}: {named.first_line(error)}") from None
    if with_output:
        if len(given.shape) != 2:
            raise TrainingError(
                f"the last layer has the shape {tuple(given.shape[1:])} per row; add `flatten` or a "
                "`global_average_pooling` layer at the end"
            )
        last = {"binary": "sigmoid", "multiclass": "softmax"}.get(task)
        given = keras.layers.Dense(outputs, activation=last, name="output")(given)
    return keras.Model(start, given)


def callbacks(given: Sequence[Any], folder: Path) -> list[Any]:
    """Create the callbacks of a run; files that they write with a relative name go to a folder."""
    known = callback_names()
    found = []
    for callback in given:
        name, arguments = named.split(callback)
        if isinstance(arguments, Mapping):
            placed = {key: str(folder / value) for key, value in arguments.items() if key in _FILES and value}
            if placed:
                folder.mkdir(exist_ok=True)
            callback = {name: {**arguments, **placed}}
        found.append(known.make(callback))
    return found


def users_own(content: bytes, path: str | None) -> dict[str, Any]:
    """Return the classes and functions of the user's own modules that a ``.keras`` file names.

    Args:
        content: The bytes of the file.
        path: ``module:function`` that made the model; plain functions are looked up in that module.
    """
    if path is None:
        return {}
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        config = json.loads(file.read("config.json"))
    home = sys.modules.get(path.partition(":")[0])
    found = {}
    for item in _objects(config):
        if item.get("class_name") == "function":
            name, owner = str(item.get("config")), home
        else:
            module = str(item.get("module") or "")
            if not module or module.partition(".")[0] in ("keras", "builtins"):
                continue
            name, owner = str(item["class_name"]), importlib.import_module(module)
        if owner is not None and hasattr(owner, name):
            found[str(item.get("registered_name") or name)] = getattr(owner, name)
            found[name] = getattr(owner, name)
    return found


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if "class_name" in value:
            yield value
        for inner in value.values():
            yield from _objects(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _objects(inner)
