"""From a trainer's name to the trainer; each is imported only when it is used."""

from __future__ import annotations

import importlib

from mlpipes_cli import trainer_registry
from mlpipes_cli.trainers.base import Trainer


def make(name: str) -> Trainer:
    """The trainer of that name.

    Raises:
        KeyError: There is none.
        ImportError: What it needs is not installed here.
    """
    found = trainer_registry.find(name)
    if found is None:
        raise KeyError(name)
    module, _, attribute = found.partition(":")
    trainer: Trainer = getattr(importlib.import_module(module), attribute)()
    return trainer
