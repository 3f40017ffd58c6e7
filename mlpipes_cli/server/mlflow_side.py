"""MLflow's own reading of requests, for one model; the module imports MLflow when it is first needed."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

_QUIET = ("mlflow", "alembic", "urllib3")


class _Echo:
    """A model that gives back what it is asked, so that MLflow's own enforcement can be called alone."""

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        return data, params


class MlflowSide:
    """What MLflow knows of a model's signature.

    Args:
        folder: The model's.

    Attributes:
        metadata: MLflow's ``Model``.
        schema: Its input schema, or None.
    """

    def __init__(self, folder: Path) -> None:
        prepare()
        from mlflow.models import Model
        from mlflow.pyfunc import PyFuncModel

        self.metadata: Any = Model.load(str(folder))
        self.schema: Any = self.metadata.get_input_schema()
        self._enforcer = PyFuncModel(model_meta=self.metadata, model_impl=_Echo())

    def enforce(self, data: Any, params: dict[str, Any] | None) -> tuple[Any, dict[str, Any]]:
        """The data as the signature has it: columns reordered, types converted, extra ones left out.

        Raises:
            MlflowException: It does not fit.
        """
        enforced, checked = self._enforcer.predict(data, params=params)
        return enforced, checked or {}


def prepare() -> None:
    """Have MLflow behave as in its own scoring server, and keep quiet."""
    os.environ["_MLFLOW_IS_IN_SERVING_ENVIRONMENT"] = "true"  # what MLflow's server sets: conversions differ
    import mlflow  # noqa: F401

    for logger in _QUIET:  # one of them warns of each extra column in each request
        logging.getLogger(logger).setLevel(logging.ERROR)
