"""Which trainers there are; each is imported only when it is used."""

from __future__ import annotations

import importlib

from mlpipes_cli.trainers.base import Trainer

MODULES = {
    "sklearn": "mlpipes_cli.trainers.sklearn:SklearnTrainer",
    "python": "mlpipes_cli.trainers.python:PythonTrainer",
}


def make(name: str) -> Trainer:
    """The trainer of that name.

    Raises:
        KeyError: There is none.
    """
    module, _, attribute = MODULES[name].partition(":")
    trainer: Trainer = getattr(importlib.import_module(module), attribute)()
    return trainer
