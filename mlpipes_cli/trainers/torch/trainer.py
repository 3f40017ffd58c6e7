"""The user's PyTorch module, in a plain training loop.

``module: my_module:Net`` names a class or a function that returns a module. It gets the arguments that it
accepts by name: ``n_features`` (columns that are not images), ``n_outputs`` (1 for two classes and for
regression, else one for each class), ``input_shape`` (of one row: ``(columns,)``, ``(channels, h, w)`` for an
image, a dict of both if there are several), ``n_classes`` (0 for regression), ``task``, ``seed``, and the
contents of ``params: module``. ``forward`` gets a float32 tensor of a batch (a dict of tensors if there are
several) and returns (n, outputs): logits for classes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli.metric_catalog import Task
from mlpipes_cli.trainers import estimators
from mlpipes_cli.trainers.base import Answers, Fitted, Problem, Training, TrainingError
from mlpipes_cli.trainers.model_answers import answers
from mlpipes_cli.trainers.networks import named
from mlpipes_cli.trainers.networks.rows import NetworkRows, finished, rows
from mlpipes_cli.trainers.networks.settings import settings
from mlpipes_cli.trainers.torch import fit as torch_fit

if TYPE_CHECKING:
    import pandas as pd

OWN = ("module", "weight_decay", "clip")


class TorchTrainer:
    """``trainer: torch`` (see :class:`mlpipes_cli.trainers.base.Trainer` for the contract)."""

    def check(self, spec: Mapping[str, Any]) -> list[Problem]:
        """Import the module, check its arguments, and create the optimizer."""
        params = spec.get("params") or {}
        try:
            how = settings(params, OWN)
        except TrainingError as error:
            return [(("params",), str(error).removeprefix("params: "))]
        found = _module_problems(spec["module"], how.own.get("module", {}))
        with tempfile.TemporaryDirectory(prefix="mlpipes-torch-") as folder:
            torch_fit.compile_in(Path(folder))
            return found + torch_fit.problems(how)

    def fit(self, training: Training) -> Fitted:
        """Fit the module; if the fit is watched, keep the weights of the best epoch."""
        import torch

        from mlpipes_cli.trainers.models.torch_model import TorchNet

        how = settings(training.spec.get("params") or {}, OWN)
        found = rows(training, how)
        torch_fit.compile_in(training.scratch / "compiled")  # enabling determinism already creates its folder
        torch.set_num_threads(training.threads)
        torch.use_deterministic_algorithms(True)
        torch.manual_seed(training.seed)
        module = _made(found, training, how.own.get("module", {}))
        outputs = torch_fit.outputs_of(module, found, training)
        progress = torch_fit.fit(module, found, how, training, outputs)
        module.eval().requires_grad_(False)
        file = training.scratch / "weights.pt"
        torch.save(module.state_dict(), file)
        params = {
            "epochs_run": progress.epochs,
            "weights": sum(part.numel() for part in module.parameters()),
        }
        if progress.best_epoch:
            params["best_epoch"] = progress.best_epoch
        net = TorchNet(module, outputs)
        fitted = finished(training, found, net, logits=True, params=params, pins=("torch",))
        fitted.files["weights.pt"] = file
        return fitted

    def answer(self, fitted: Fitted, X: pd.DataFrame, task: Task, classes: tuple[Any, ...]) -> Answers:
        """Predict with the fitted model."""
        return answers(fitted.model, X, task, classes)


def _module_problems(path: str, given: Mapping[str, Any]) -> list[Problem]:
    try:
        found = estimators.load(path)
    except TrainingError as error:
        return [(("module",), str(error))]
    if not callable(found):
        return [(("module",), f"{path!r} is a {type(found).__name__}; use a class or a function")]
    return named.takes(found, path, given, ("params", "module"))


def _made(found: NetworkRows, training: Training, given: Mapping[str, Any]) -> Any:
    """Create the unfitted module.

    Raises:
        TrainingError: The result is not a ``torch.nn.Module``, or it cannot be created from the offered
            arguments.
    """
    import torch

    path = training.spec["module"]
    shapes = {
        name: (shape[2], *shape[:2]) if len(shape) == 3 else shape for name, shape in found.shapes().items()
    }
    offered = {
        "n_features": shapes.get("table", (0,))[0],
        "n_outputs": len(training.classes) if training.task == "multiclass" else 1,
        "input_shape": shapes if len(shapes) > 1 else next(iter(shapes.values())),
        "n_classes": len(training.classes),
        "task": training.task,
        "seed": training.seed,
    }
    module = named.call(estimators.load(path), path, given, offered)
    if not isinstance(module, torch.nn.Module):
        raise TrainingError(f"{path} returned a {type(module).__name__}, not a torch.nn.Module")
    return module
