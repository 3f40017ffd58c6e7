"""mlpipes covers the whole life of a model, from one command line or from Python.

>>> import mlpipes_cli as mlpipes
>>> project = mlpipes.Project(".")
>>> project.leaderboard().frame()  # doctest: +SKIP

The names in ``__all__`` are public. Each is imported on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlpipes_cli.api import ConfigError as ConfigError
    from mlpipes_cli.api import Event as Event
    from mlpipes_cli.api import Interrupted as Interrupted
    from mlpipes_cli.api import MlpipesError as MlpipesError
    from mlpipes_cli.api import Project as Project
    from mlpipes_cli.api import Refused as Refused
    from mlpipes_cli.api import UsageError as UsageError
    from mlpipes_cli.api import init as init
    from mlpipes_cli.api import monitor as monitor

__version__ = "0.1.0"

__all__ = [
    "ConfigError",
    "Event",
    "Interrupted",
    "MlpipesError",
    "Project",
    "Refused",
    "UsageError",
    "__version__",
    "init",
    "monitor",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module("mlpipes_cli.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
