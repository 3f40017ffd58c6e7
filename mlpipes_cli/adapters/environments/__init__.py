"""Environments by uv: resolved to exact versions, built once, kept by hash in a cache that projects share."""

from __future__ import annotations

from collections.abc import Sequence

from mlpipes_cli.adapters.environments.store import EnvironmentStore
from mlpipes_cli.ports.environments import BuiltEnvironment, Say, of_lock, silent

__all__ = ["EnvironmentStore", "environment_of"]


def environment_of(
    environments: EnvironmentStore, lock: Sequence[str], python: str, say: Say = silent
) -> BuiltEnvironment:
    """The interpreter for a model, from what its own files say, and from nothing else.

    Args:
        environments: Holds it for as long as its context lasts.
        lock: ``name==version`` of everything.
        python: ``3.11``.
        say: Told what is done.

    Raises:
        MlpipesError: It cannot be built.
    """
    return environments.ensure(of_lock(python, lock, "a model"), say=say)
