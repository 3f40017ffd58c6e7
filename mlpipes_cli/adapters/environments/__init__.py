"""Environments made by uv: resolved to exact versions, built once, cached by hash and shared by projects."""

from __future__ import annotations

from collections.abc import Sequence

from mlpipes_cli.adapters.environments.store import EnvironmentStore
from mlpipes_cli.ports.environments import BuiltEnvironment, Say, of_lock, silent

__all__ = ["EnvironmentStore", "environment_of"]


def environment_of(
    environments: EnvironmentStore, lock: Sequence[str], python: str, say: Say = silent
) -> BuiltEnvironment:
    """Return the interpreter for a model, from the model's own files and nothing else.

    Args:
        environments: Holds the environment for as long as its context lasts.
        lock: ``name==version`` of every package.
        python: The Python version, such as ``3.11``.
        say: Receives progress messages.

    Raises:
        MlpipesError: It cannot be built.
    """
    return environments.ensure(of_lock(python, lock, "a model"), say=say)
