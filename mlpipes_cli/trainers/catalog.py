"""Creates trainers by name; each is imported only when it is used."""

from __future__ import annotations

from mlpipes_cli import trainer_registry
from mlpipes_cli.trainers.base import Trainer


def make(name: str) -> Trainer:
    """Create the trainer of that name.

    Raises:
        KeyError: There is no trainer of that name.
        ImportError: A package that the trainer needs is not installed.
        BrokenTrainer: Another package has it, and its definition cannot be imported.
    """
    trainer: Trainer = trainer_registry.load(trainer_registry.definition(name).trainer)()
    return trainer
