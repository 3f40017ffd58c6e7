"""MLflow's own parsing of requests, for one model; the module imports MLflow on first use."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_QUIET = ("mlflow", "alembic", "urllib3")


class _Echo:
    """A model that returns its input, so that MLflow's own enforcement can be called alone."""

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        return data, params


class MlflowParser:
    """MLflow's view of a model's signature.

    Args:
        folder: The model's folder.

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
        self._folder = folder
        self._parts: dict[tuple[str, ...], Any] = {}

    @property
    def hinted(self) -> bool:
        """Whether the signature is made of type hints, which MLflow parses differently."""
        return bool(self.metadata._is_signature_from_type_hint())

    def params(self, given: dict[str, Any] | None) -> dict[str, Any]:
        """Return the parameters as the signature requires.

        Raises:
            MlflowException: The parameters do not fit.
        """
        if self.metadata.get_params_schema() is None:
            return {}
        _, checked = self._part(()).predict(None, params=given)
        return checked or {}

    def enforce_some(self, table: Any, names: Sequence[str], encoded: bool) -> Any:
        """Return these columns as the signature requires.

        Args:
            table: A table with only these columns.
            names: Their names.
            encoded: Whether bytes are Base64 text.

        Raises:
            MlflowException: The columns do not fit.
        """
        from mlflow.utils.proto_json_utils import cast_df_types_according_to_schema

        part = self._part(tuple(names))
        if encoded:
            table = cast_df_types_according_to_schema(table.copy(), part.metadata.get_input_schema())
        return part.predict(table)[0]

    def _part(self, names: tuple[str, ...]) -> Any:
        """Return a model of some of the columns, and of the parameters, that returns its input."""
        if names not in self._parts:
            from mlflow.models import Model, ModelSignature
            from mlflow.pyfunc import PyFuncModel
            from mlflow.types import Schema

            metadata = Model.load(str(self._folder))
            inputs = Schema([spec for spec in self.schema.inputs if spec.name in names]) if names else None
            metadata.signature = ModelSignature(inputs=inputs, params=self.metadata.get_params_schema())
            self._parts[names] = PyFuncModel(model_meta=metadata, model_impl=_Echo())
        return self._parts[names]

    def enforce(self, data: Any, params: dict[str, Any] | None) -> tuple[Any, dict[str, Any]]:
        """Return the data as the signature requires: columns reordered, types converted, extra ones left out.

        Raises:
            MlflowException: The data does not fit.
        """
        enforced, checked = self._enforcer.predict(data, params=params)
        return enforced, checked or {}


def prepare() -> None:
    """Make MLflow behave as in its own scoring server, and log errors only."""
    os.environ["_MLFLOW_IS_IN_SERVING_ENVIRONMENT"] = "true"  # as MLflow's server: conversions differ
    import mlflow  # noqa: F401

    for logger in _QUIET:  # one of them warns of each extra column in each request
        logging.getLogger(logger).setLevel(logging.ERROR)
