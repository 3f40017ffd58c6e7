"""The modules whose code a logged model contains, so that it loads without mlpipes.

Before writing a model: ``for module in modules(): cloudpickle.register_pickle_by_value(module)``.
"""

from __future__ import annotations

from types import ModuleType


def modules() -> list[ModuleType]:
    """Return the modules of this package whose classes or functions a logged model may contain."""
    from mlpipes_cli import timestamps
    from mlpipes_cli.preprocess import blocks, preprocessed_model, reading, scaling, transformer

    return [timestamps, blocks, preprocessed_model, reading, scaling, transformer]
