"""Creates trainers by name; each is imported only when it is used."""

from __future__ import annotations

import importlib

from mlpipes_cli import trainer_registry
from mlpipes_cli.trainers.base import Trainer


def make(name: str) -> Trainer:
    """Create the trainer of that name.

    Raises:
        KeyError: There is no trainer of that name.
        ImportError: A package that the trainer needs is not installed.
    """
    found = trainer_registry.find(name)
    if found is None:
        raise KeyError(name)
    module, _, attribute = found.partition(":")
    trainer: Trainer = getattr(importlib.import_module(module), attribute)()
    return trainer
