"""The model that is served: loaded once, asked through the frames that its signature made."""

from __future__ import annotations

import logging
import os
import tempfile
from dataclasses import dataclass
from typing import Any

import pandas as pd

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.server.scores import ScoreReader

_QUIET = ("mlflow", "alembic", "urllib3")


class _Echo:
    """A model that gives back what it is asked, so that MLflow's own enforcement can be called alone."""

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        return data, params


@dataclass(frozen=True)
class InputColumn:
    """A column that the model takes.

    Attributes:
        name: Its name.
        type: As in MLflow's signatures: double, string, boolean, long, datetime, ...
        required: Whether it may be left out.
    """

    name: str
    type: str
    required: bool


@dataclass(frozen=True)
class Outcome:
    """Predictions for the rows of one frame.

    Attributes:
        raw: What the model's ``predict`` gave, in the model's own type.
        scores: A float a row, a list of floats a row, or None where there is none.
    """

    raw: Any
    scores: list[Any] | None


class ServedModel:
    """A version of a registered model; may be used from several threads.

    Args:
        pyfunc: The model in MLflow's general form.
        name: The registered model's name.
        version: The version that was loaded.
        alias: The alias that led to it.
    """

    def __init__(self, pyfunc: Any, name: str, version: int, alias: str) -> None:
        for logger in _QUIET:  # one of them warns of each extra column in each request
            logging.getLogger(logger).setLevel(logging.ERROR)
        self.name, self.version, self.alias = name, version, alias
        self.metadata = pyfunc.metadata
        self.schema = pyfunc.metadata.get_input_schema()
        self.details: dict[str, Any] = dict((self.metadata.metadata or {}).get("mlpipes", {}))
        self.features = frozenset(column.name for column in self.columns)
        self.folder: tempfile.TemporaryDirectory[str] | None = None
        self._pyfunc = pyfunc
        self._enforcer = type(pyfunc)(model_meta=pyfunc.metadata, model_impl=_Echo())
        self._native = _native(pyfunc)
        self._prepare, self._last = _split(self._native)
        self._scores = ScoreReader.of(self._last, self.details)

    @property
    def columns(self) -> tuple[InputColumn, ...]:
        """The columns of the signature; empty for a model without one, or with tensors."""
        if self.schema is None or self.schema.is_tensor_spec() or not self.schema.has_input_names():
            return ()
        required = set(self.schema.required_input_names())
        return tuple(
            InputColumn(name, getattr(kind, "name", str(kind)), name in required)
            for name, kind in zip(self.schema.input_names(), self.schema.input_types(), strict=True)
        )

    @property
    def merges(self) -> bool:
        """Whether rows of several requests may share a predict call."""
        return self._native is not None

    def enforce(self, data: Any, params: dict[str, Any] | None) -> tuple[Any, dict[str, Any]]:
        """The data as the signature has it: columns reordered, types converted, extra ones left out.

        Raises:
            MlflowException: It does not fit.
        """
        enforced, checked = self._enforcer.predict(data, params=params)
        return enforced, checked or {}

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Outcome:
        """Predict for enforced data; whatever the model raises passes through."""
        if self._native is None:
            return Outcome(self._pyfunc.predict(data, params=params or None), None)
        prepared = data if self._prepare is None else self._prepare.transform(data)
        return Outcome(self._last.predict(prepared), self._scores.read(prepared) if self._scores else None)

    def caller_ids(self, data: Any) -> list[Any] | None:
        """The caller's identifiers: the model's id column, else ``id``, unless those are features."""
        if not isinstance(data, pd.DataFrame):
            return None
        for name in (self.details.get("id"), "id"):
            if name and name in data.columns and name not in self.features:
                return list(data[name].tolist())
        return None


def _native(pyfunc: Any) -> Any | None:
    """The estimator itself, for models whose ``predict`` is nothing but the estimator's."""
    flavour = (pyfunc.metadata.flavors or {}).get("python_function", {})
    if flavour.get("loader_module") != "mlflow.sklearn" or flavour.get("predict_fn", "predict") != "predict":
        return None
    return pyfunc.get_raw_model()


def _split(native: Any) -> tuple[Any | None, Any]:
    """A plain pipeline as its transformers and its last step, so that labels and scores share the
    former's work: that is all that the pipeline's own ``predict`` and ``predict_proba`` do."""
    from sklearn.pipeline import Pipeline

    if type(native) is not Pipeline or len(native.steps) < 2 or native.steps[-1][1] in (None, "passthrough"):
        return None, native
    return native[:-1], native[-1]


def load(name: str, version: int, alias: str) -> ServedModel:
    """Load a registered version from the tracking server that the environment names.

    Raises:
        MlpipesError: It does not load; the reason in one line.
    """
    os.environ["_MLFLOW_IS_IN_SERVING_ENVIRONMENT"] = "true"  # what MLflow's server sets: conversions differ
    import mlflow.pyfunc

    folder = tempfile.TemporaryDirectory(prefix="mlpipes-model-", ignore_cleanup_errors=True)
    try:  # into a folder of ours: MLflow would leave the download in the system's temporary folder
        pyfunc = mlflow.pyfunc.load_model(f"models:/{name}/{version}", dst_path=folder.name)
    except Exception as error:  # noqa: BLE001  a pickled model may raise anything
        line = " ".join(str(error).split())[:300] or type(error).__name__
        raise MlpipesError(
            f"version {version} of model {name!r} does not load ({type(error).__name__}: {line})",
            "train and promote it again in this environment, or `mlpipes rollback`",
        ) from None
    model = ServedModel(pyfunc, name, version, alias)
    if model.merges:  # a scikit-learn model is wholly in memory; others may read their files later
        folder.cleanup()
    else:
        model.folder = folder
    return model
