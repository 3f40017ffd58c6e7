"""MLflow's own reading of requests, for one model; the module imports MLflow when it is first needed."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_QUIET = ("mlflow", "alembic", "urllib3")


class _Echo:
    """A model that gives back what it is asked, so that MLflow's own enforcement can be called alone."""

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        return data, params


class MlflowParser:
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
        self._folder = folder
        self._parts: dict[tuple[str, ...], Any] = {}

    @property
    def hinted(self) -> bool:
        """Whether the signature is of type hints, which MLflow reads in a way of its own."""
        return bool(self.metadata._is_signature_from_type_hint())

    def params(self, given: dict[str, Any] | None) -> dict[str, Any]:
        """Parameters as the signature has them.

        Raises:
            MlflowException: They do not fit.
        """
        if self.metadata.get_params_schema() is None:
            return {}
        _, checked = self._part(()).predict(None, params=given)
        return checked or {}

    def enforce_some(self, table: Any, names: Sequence[str], encoded: bool) -> Any:
        """These columns as the signature has them.

        Args:
            table: They alone.
            names: Their names.
            encoded: Bytes stand in it as Base64 text.

        Raises:
            MlflowException: They do not fit.
        """
        from mlflow.utils.proto_json_utils import cast_df_types_according_to_schema

        part = self._part(tuple(names))
        if encoded:
            table = cast_df_types_according_to_schema(table.copy(), part.metadata.get_input_schema())
        return part.predict(table)[0]

    def _part(self, names: tuple[str, ...]) -> Any:
        """A model of some of the columns, and of the parameters, that gives back what it is asked."""
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
