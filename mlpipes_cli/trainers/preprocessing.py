"""The step that prepares the features for the trainers that work with tables of numbers."""

from __future__ import annotations

from typing import Any

from mlpipes_cli import trainer_registry
from mlpipes_cli.trainers.base import Training, TrainingError


def preprocessing(training: Training, scale: bool = True) -> Any:
    """Return the unfitted transformer of ``preprocess: auto``, or ``passthrough``.

    Raises:
        TrainingError: There are images among the features.
    """
    if training.images:
        shown = ", ".join(map(repr, training.images))
        able = [name for name in trainer_registry.built_in() if trainer_registry.definition(name).images]
        raise TrainingError(
            f"{shown}: only the trainers {', '.join(able[:-1])} and {able[-1]} support images"
        )
    if training.preprocess != "auto":
        return "passthrough"
    from mlpipes_cli.preprocess import auto

    return auto.build(training.X, training.task, scale, training.texts)
