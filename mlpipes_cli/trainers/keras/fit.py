"""Compiles and fits a Keras model, and reports the metrics of each epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlpipes_cli.metric_catalog import Task
from mlpipes_cli.trainers.base import Training, TrainingError
from mlpipes_cli.trainers.keras import parts as keras_parts
from mlpipes_cli.trainers.models.network import TABLE, floats
from mlpipes_cli.trainers.networks.progress import Progress
from mlpipes_cli.trainers.networks.rows import NetworkRows
from mlpipes_cli.trainers.networks.settings import Settings

if TYPE_CHECKING:
    import numpy as np

_QUANTITY = ("mae", "val_mae")  # reported in the target's own unit


def outputs_of(model: Any, found: NetworkRows, training: Training) -> int:
    """Return the number of the model's outputs for a row, found by predicting two rows.

    Raises:
        TrainingError: The number does not suit the task.
    """
    first = {name: floats(values[:2]) for name, values in found.parts.items()}
    shape = tuple(model(first if len(first) > 1 else next(iter(first.values())), training=False).shape)
    wanted = {"binary": (1, 2), "regression": (1,)}.get(training.task, (len(training.classes),))
    if len(shape) != 2 or shape[1] not in wanted:
        needed = " or ".join(map(str, wanted))
        raise TrainingError(
            f"the model returned the shape {shape[1:]} for a row; a {training.task} target needs ({needed},)"
        )
    return int(shape[1])


def compile_model(model: Any, how: Settings, task: Task, outputs: int) -> None:
    """Set the model's optimizer, loss and metrics, unless the user's function has compiled it.

    Raises:
        TrainingError: The function has compiled it, and the params name them, too.
    """
    if getattr(model, "compiled", False):
        named = [name for name in ("learning_rate", "loss") if getattr(how, name) is not None]
        if named:
            raise TrainingError(f"params: {named[0]}: the function returns a model that is already compiled")
        return
    rate = {} if how.learning_rate is None else {"learning_rate": how.learning_rate}
    several = "sparse_categorical_crossentropy"
    usual = "mse" if task == "regression" else ("binary_crossentropy" if outputs == 1 else several)
    model.compile(
        optimizer=keras_parts.optimizer_names().make(how.optimizer, **rate),
        loss=how.loss or usual,
        metrics=["mae"] if task == "regression" else ["accuracy"],
    )


def fit(model: Any, found: NetworkRows, how: Settings, training: Training, outputs: int) -> Progress:
    """Fit a compiled model; return the progress.

    Raises:
        TrainingError: The loss is no longer finite.
        Pruned: A search stops this fit early.
    """
    watched = "val_loss" if len(found.held) else "loss"
    progress = Progress(training, watched)
    target = _target(model, found, training.task, outputs)
    callbacks = keras_parts.callbacks(how.own.get("callbacks", ()), training.scratch / "callbacks")
    callbacks += _watchers(how, watched)
    model.fit(
        **_data(found, target, how.batch_size, training.seed),
        epochs=how.epochs,
        callbacks=[*callbacks, _teller(progress, found.deviation, training.task)],
        verbose=0,
    )
    return progress


def _target(model: Any, found: NetworkRows, task: Task, outputs: int) -> np.ndarray:
    """Return the target as the loss needs it: a column, class numbers, or a column for each class."""
    import numpy as np

    if task == "regression" or outputs == 1:
        return np.asarray(found.target, dtype=np.float32).reshape(-1, 1)
    loss = model.loss if isinstance(model.loss, str) else getattr(model.loss, "name", None)
    name = str(loss or getattr(model.loss, "__name__", "")).replace("_", "").lower()
    if name.startswith("sparse"):
        return np.asarray(found.target, dtype=np.int32)
    return np.asarray(np.eye(outputs, dtype=np.float32)[found.target])


def _data(found: NetworkRows, target: np.ndarray, batch_size: int, seed: int) -> dict[str, Any]:
    """Return the arrays if there is only a table; else convert images to floats batch by batch."""
    if list(found.parts) == [TABLE]:
        table, weights = found.parts[TABLE], found.weights

        def some(rows: np.ndarray) -> tuple[Any, ...]:
            weighted = () if weights is None else (weights[rows],)
            return (table[rows], target[rows], *weighted)

        x, y, *rest = some(found.kept)
        held = some(found.held) if len(found.held) else None
        return {
            "x": x,
            "y": y,
            "sample_weight": rest[0] if rest else None,
            "validation_data": held,
            "batch_size": batch_size,
        }
    held = _batches(found, found.held, target, batch_size, None) if len(found.held) else None
    return {"x": _batches(found, found.kept, target, batch_size, seed), "validation_data": held}


def _batches(found: NetworkRows, rows: np.ndarray, target: np.ndarray, size: int, seed: int | None) -> Any:
    """Return batches of rows, in another order each epoch if a seed is given."""
    import keras
    import numpy as np

    class Batches(keras.utils.PyDataset):  # type: ignore[misc,unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.draw = None if seed is None else np.random.default_rng(seed)
            self.rows = rows
            self.on_epoch_end()

        def __len__(self) -> int:
            return -(-len(rows) // size)

        def __getitem__(self, index: int) -> tuple[Any, ...]:
            chosen = self.rows[index * size : (index + 1) * size]
            parts = {name: floats(values[chosen]) for name, values in found.parts.items()}
            x = parts if len(parts) > 1 else next(iter(parts.values()))
            weights = () if found.weights is None else (found.weights[chosen],)
            return (x, target[chosen], *weights)

        def on_epoch_end(self) -> None:
            if self.draw is not None:
                self.rows = self.draw.permutation(rows)

    return Batches()


def _watchers(how: Settings, watched: str) -> Sequence[Any]:
    import keras

    found = []
    if how.patience is not None:
        found.append(
            keras.callbacks.EarlyStopping(
                watched,
                min_delta=how.min_delta,
                patience=how.patience,
                mode="min",
                restore_best_weights=how.restore_best,
            )
        )
    plateau = how.own.get("reduce_on_plateau")
    if plateau:
        given = plateau if isinstance(plateau, Mapping) else {}
        found.append(keras.callbacks.ReduceLROnPlateau(watched, mode="min", **given))
    return found


def _teller(progress: Progress, deviation: float, task: Task) -> Any:
    import keras

    class Teller(keras.callbacks.Callback):  # type: ignore[misc,unused-ignore]
        def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
            metrics = dict(logs or {})
            if task == "regression":
                metrics |= {name: metrics[name] * deviation for name in _QUANTITY if name in metrics}
            progress(epoch + 1, metrics)

    return Teller()
