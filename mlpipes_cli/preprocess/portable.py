"""The modules whose code a logged model carries, so that it loads where mlpipes is not installed.

Before a model is written: ``for module in modules(): cloudpickle.register_pickle_by_value(module)``.
"""

from __future__ import annotations

from types import ModuleType


def modules() -> list[ModuleType]:
    """Every module of this package whose classes or functions can stand in a logged model."""
    from mlpipes_cli import timestamps
    from mlpipes_cli.preprocess import behind, blocks, reading, scaling, transformer

    return [timestamps, behind, blocks, reading, scaling, transformer]
