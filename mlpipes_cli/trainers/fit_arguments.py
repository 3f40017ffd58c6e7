"""What an estimator's ``fit`` gets beside the training rows: their weights, and validation rows."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from mlpipes_cli.trainers.base import Training, TrainingError

WEIGHTS = "sample_weight"
_ENOUGH = 10_000  # rows above which scikit-learn's `early_stopping: auto` stops early
NO_WEIGHTS = "leave the run out, or set `weights: false` under `data:`"


def weights(estimator: Any, training: Training) -> dict[str, Any]:
    """Return the weights of the rows by the name that the estimator's ``fit`` takes them under.

    Raises:
        TrainingError: There are weights, and ``fit`` takes none.
    """
    if training.weights is None:
        return {}
    steps = getattr(estimator, "steps", None)  # of a pipeline the last step is fitted with them
    last = steps[-1][1] if steps else estimator
    if not _takes(last, WEIGHTS):
        raise TrainingError(without_weights(type(last).__name__))
    return {f"{steps[-1][0]}__{WEIGHTS}" if steps else WEIGHTS: training.weights}


def without_weights(name: str) -> str:
    """Return the message for an estimator that does not support weights."""
    return f"{name} does not support weights (`fit` has no {WEIGHTS}); {NO_WEIGHTS}"


def stopping(estimator: Any, training: Training) -> dict[str, Any]:
    """Return the validation rows for a scikit-learn estimator that stops early by rows that it is given."""
    held, wanted = training.validation, getattr(estimator, "early_stopping", None)
    if held is None or not (wanted is True or (wanted == "auto" and len(training.X) > _ENOUGH)):
        return {}
    return {"X_val": held.X, "y_val": held.y} if _takes(estimator, "X_val", exactly=True) else {}


def fit(pipeline: Any, last: Any, step: str, more: Mapping[str, Any], training: Training) -> None:
    """Fit the pipeline; validation rows go through its preprocessing, which is fitted on training rows alone.

    Args:
        pipeline: The estimator, or a pipeline of the preprocessing and it.
        last: The estimator.
        step: The prefix of the estimator's arguments in the pipeline.
        more: Arguments of the estimator's ``fit``.
        training: The training rows.
    """
    held = training.validation
    apart = held is not None and ("X_val" in more or isinstance(more.get("validation"), tuple))
    if pipeline is last or not apart or held is None:
        pipeline.fit(training.X, training.y, **{f"{step}{name}": value for name, value in more.items()})
        return
    before = pipeline[:-1]
    rows = before.fit_transform(training.X, training.y)
    judged = before.transform(held.X)
    validation = {"X_val": judged} if "X_val" in more else {"validation": (judged, held.y)}
    last.fit(rows, training.y, **{**more, **validation})


def _takes(estimator: Any, name: str, exactly: bool = False) -> bool:
    """Return whether ``fit`` has a parameter of that name, or takes any name."""
    try:
        found = inspect.signature(estimator.fit).parameters
    except (TypeError, ValueError):
        return False
    anything = any(parameter.kind is parameter.VAR_KEYWORD for parameter in found.values())
    return name in found or (anything and not exactly)
