"""A plain training loop for PyTorch modules."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli.metric_catalog import Task
from mlpipes_cli.suggest import did_you_mean
from mlpipes_cli.trainers import estimators
from mlpipes_cli.trainers.base import Problem, Training, TrainingError
from mlpipes_cli.trainers.models.network import floats
from mlpipes_cli.trainers.models.torch_model import given
from mlpipes_cli.trainers.networks.named import Named
from mlpipes_cli.trainers.networks.progress import Progress
from mlpipes_cli.trainers.networks.rows import NetworkRows
from mlpipes_cli.trainers.networks.settings import Settings

if TYPE_CHECKING:
    import numpy as np

    Loss = Callable[[Any, Any], Any]

_CLASSES = "cross_entropy"
_QUANTITY = {"mse": "mse_loss", "mae": "l1_loss", "huber": "huber_loss", "smooth_l1": "smooth_l1_loss"}
_COMPILED = "TORCHINDUCTOR_CACHE_DIR"
_FOLDERS: set[str] = set()
_PROBABILITIES = ("Sigmoid", "Softmax", "LogSoftmax", "LogSigmoid")


def compile_in(folder: Path) -> None:
    """Make PyTorch keep compiled code in a folder, unless the user has set one.

    Otherwise PyTorch creates one among the system's temporary files as soon as deterministic algorithms are
    enabled.
    """
    configured = os.environ.get(_COMPILED)
    if configured is None or configured in _FOLDERS:
        _FOLDERS.add(str(folder))
        os.environ[_COMPILED] = str(folder)


def optimizer_names(parameters: Any) -> Named:
    """Return the names allowed in ``optimizer``."""
    import torch

    return Named(torch.optim, torch.optim.Optimizer, "optimizer", filled={"params": parameters})


def problems(how: Settings) -> list[Problem]:
    """Return the problems of the names in a run."""
    import torch

    known_optimizers = optimizer_names([torch.nn.Parameter(torch.zeros(1))])
    found = known_optimizers.problems(how.optimizer, ("params", "optimizer"))
    if how.loss is not None and ":" in how.loss:
        try:
            estimators.load(how.loss)
        except TrainingError as error:
            found.append((("params", "loss"), str(error)))
    elif how.loss is not None and how.loss not in (known := [_CLASSES, *_QUANTITY]):
        near = did_you_mean(how.loss, known) or f"; use one of {', '.join(known)}, or module:function"
        found.append((("params", "loss"), f"unknown loss {how.loss!r}{near}"))
    return found


def outputs_of(module: Any, found: NetworkRows, training: Training) -> int:
    """Return the number of the module's outputs for a row, found by predicting two rows.

    Raises:
        TrainingError: The number does not suit the task, or the outputs are probabilities.
    """
    import torch

    module.eval()
    with torch.no_grad():
        given_back = module(inputs(found, [0, 1]))
    wanted = {"binary": (1, 2), "regression": (1,)}.get(training.task, (len(training.classes),))
    shape = (
        tuple(given_back.shape) if isinstance(given_back, torch.Tensor) else (0, type(given_back).__name__)
    )
    if shape == (2,) and 1 in wanted:
        return 1
    if len(shape) != 2 or shape[1] not in wanted:
        needed = " or ".join(map(str, wanted))
        raise TrainingError(
            f"the module returned {shape[1:]} for a row; a {training.task} target needs ({needed},)"
        )
    end = [type(part).__name__ for part in module.modules()][-1]
    if training.task != "regression" and end in _PROBABILITIES:
        raise TrainingError(
            f"the module ends in {end}; remove it: the loss needs the values before it (logits)"
        )
    return int(shape[1])


def fit(module: Any, found: NetworkRows, how: Settings, training: Training, outputs: int) -> Progress:
    """Fit the module in place; return the progress.

    Raises:
        TrainingError: The loss is no longer finite.
        Pruned: A search stops this fit early.
    """
    import torch

    watched = "val_loss" if len(found.held) else "loss"
    progress = Progress(training, watched)
    loop = _Loop(module, found, training.task, outputs, how, weighted=training.weights is not None)
    optimizer = _optimizer(module.parameters(), how)
    draw = torch.Generator().manual_seed(training.seed)
    best, waited, kept = math.inf, 0, None
    for epoch in range(1, how.epochs + 1):
        order = found.kept[torch.randperm(len(found.kept), generator=draw).numpy()]
        metrics = loop.learn(order, optimizer)
        if len(found.held):
            metrics |= {f"val_{name}": value for name, value in loop.look(found.held).items()}
        progress(epoch, metrics)
        if metrics[watched] < best - how.min_delta:
            best, waited = metrics[watched], 0
            kept = copy.deepcopy(module.state_dict()) if how.patience and how.restore_best else None
        else:
            waited += 1
            if how.patience is not None and waited >= how.patience:
                break
    if kept is not None:
        module.load_state_dict(kept)
    return progress


class _Loop:
    """Passes over some rows, with or without learning."""

    def __init__(
        self, module: Any, found: NetworkRows, task: Task, outputs: int, how: Settings, weighted: bool
    ) -> None:
        import torch

        self._weighted = weighted

        self._module, self._found, self._quantity, self._how = module, found, task == "regression", how
        column = self._quantity or outputs == 1
        target = torch.from_numpy(found.target)
        self._target = target.float().reshape(-1, 1) if column else target
        self._loss = _loss(how.loss, task, outputs)

    def learn(self, rows: np.ndarray, optimizer: Any) -> dict[str, float]:
        """Learn from the rows in this order; return the metrics."""
        import torch

        self._module.train()
        clip = self._how.own.get("clip")

        def step(value: Any) -> None:
            optimizer.zero_grad()
            value.backward()
            if clip is not None:
                torch.nn.utils.clip_grad_norm_(self._module.parameters(), clip)
            optimizer.step()

        return self._through(rows, step)

    def look(self, rows: np.ndarray) -> dict[str, float]:
        """Return the metrics without learning."""
        import torch

        self._module.eval()
        with torch.no_grad():
            return self._through(rows, None)

    def _through(self, rows: np.ndarray, step: Callable[[Any], None] | None) -> dict[str, float]:
        """Return the loss, and the accuracy or the mean absolute error in the target's unit."""
        import torch

        loss, good, seen = 0.0, 0.0, 0
        for chosen in _slices(rows, self._how.batch_size):
            answers = self._module(inputs(self._found, chosen)).reshape(len(chosen), -1)
            wanted = self._target[torch.from_numpy(chosen)]
            value = self._mean(self._loss(answers, wanted), chosen)
            if step is not None:
                step(value)
            loss += float(value.detach()) * len(chosen)
            good += self._measure(answers.detach(), wanted)
            seen += len(chosen)
        name, unit = ("mae", self._found.deviation) if self._quantity else ("accuracy", 1.0)
        return {"loss": loss / seen, name: good / seen * unit}

    def _mean(self, each: Any, chosen: np.ndarray) -> Any:
        import torch

        if not each.ndim:
            if self._weighted:
                raise TrainingError(
                    "the loss returns one number for a batch, so rows cannot be weighted; return one for each"
                )
            return each
        each = each.reshape(len(chosen), -1).mean(dim=1)
        if self._found.weights is None:
            return each.mean()
        return (each * torch.from_numpy(self._found.weights[chosen])).mean()

    def _measure(self, answers: Any, wanted: Any) -> float:
        if self._quantity:
            return float((answers - wanted).abs().sum())
        predicted = (answers > 0).float() if answers.shape[1] == 1 else answers.argmax(dim=1)
        return float((predicted == wanted).sum())


def inputs(found: NetworkRows, chosen: Any) -> Any:
    """Return the module's input for some rows."""
    return given({name: floats(values[chosen]) for name, values in found.parts.items()})


def _slices(rows: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Yield batches.

    A last batch of a single row, which batch normalisation refuses, is merged into the one before.
    """
    starts = list(range(0, len(rows), size))
    if len(starts) > 1 and len(rows) - starts[-1] == 1:
        starts.pop()
    for index, start in enumerate(starts):
        yield rows[start : starts[index + 1] if index + 1 < len(starts) else None]


def _optimizer(parameters: Any, how: Settings) -> Any:
    more = {"lr": how.learning_rate, "weight_decay": how.own.get("weight_decay")}
    given_more = {name: value for name, value in more.items() if value is not None}
    return optimizer_names(parameters).make(how.optimizer, **given_more)


def _loss(name: str | None, task: Task, outputs: int) -> Loss:
    """Return the loss function of outputs and target, which returns one value for each row or for all.

    Raises:
        TrainingError: The loss is for another task.
    """
    from torch.nn import functional

    if name is not None and ":" in name:
        own: Loss = estimators.load(name)
        return own
    right = _QUANTITY if task == "regression" else (_CLASSES,)
    if name is not None and name not in right:
        raise TrainingError(
            f"params: loss: {name!r} does not apply to a {task} target; use {' or '.join(right)}"
        )
    if task == "regression":
        function = getattr(functional, _QUANTITY[name or "mse"])
    else:
        function = functional.binary_cross_entropy_with_logits if outputs == 1 else functional.cross_entropy
    return lambda answers, wanted: function(answers, wanted, reduction="none")
