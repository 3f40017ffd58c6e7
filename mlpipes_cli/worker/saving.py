"""Writes a fitted model as an MLflow model that loads without mlpipes."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from mlpipes_cli.mlflow_tags import MODEL_METADATA, MODEL_THRESHOLD
from mlpipes_cli.trainers.base import Fitted, Training, TrainingError
from mlpipes_cli.worker import holdout_sample, protocol, requirements

if TYPE_CHECKING:
    import pandas as pd

    from mlpipes_cli.data.prepared import Prepared

EXAMPLE_ROWS = 5
_MODELS = "mlpipes_cli.trainers.models."
_MISMATCHES = "warn_dependency_requirement_mismatches"
_INSTALLED = f"{os.sep}site-packages{os.sep}"
_early: dict[str, ModuleType] = {}  # thousands of modules, imported before any module of the user's


def save(
    fitted: Fitted,
    training: Training,
    prepared: Prepared,
    folder: Path,
    content: Mapping[str, Any],
    threshold: float | None = None,
) -> dict[str, Any]:
    """Write the model; return what the main process needs to know of it.

    Args:
        threshold: The threshold of the model's labels, if any.

    Raises:
        TrainingError: The model cannot be pickled.
    """
    import cloudpickle
    import mlflow.sklearn

    by_value = own_modules([str(folder) for folder in content.get("folders", [])])
    for module in by_value:
        cloudpickle.register_pickle_by_value(module)
    environment = content.get("environment")
    if environment:  # it is served from the environment that it was trained in
        pins = list(environment["requirements"])
    else:
        pins = requirements.locked(requirements.modules_of(fitted.model, by_value), fitted.pins)
    with _quietly():
        try:
            mlflow.sklearn.save_model(
                _reading_moments(fitted.model, training.X),
                str(folder),
                serialization_format="cloudpickle",
                signature=_signature(fitted, training, prepared),
                input_example=training.X.head(EXAMPLE_ROWS),
                pip_requirements=pins,
                metadata={MODEL_METADATA: metadata(prepared, environment, threshold, content.get("reading"))},
            )
        except Exception as error:
            raise TrainingError(f"the model cannot be saved: {_first_line(error)}") from error
    holdout_sample.write(prepared, folder, int(content.get("sample_rows", 0)))
    return {"requirements": pins, "threshold": threshold}


def metadata(
    prepared: Prepared,
    environment: Mapping[str, Any] | None = None,
    threshold: float | None = None,
    reading: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return what serving needs to know of a model.

    ``environment`` is included only if it is not the current one. ``reading`` is the format of the training
    data (``data.formats.Formats.document``).
    """
    own: dict[str, Any] = {"environment": dict(environment)} if environment else {}
    if threshold is not None:
        own[MODEL_THRESHOLD] = threshold
    if types := _types(prepared):
        own["types"] = types
    return own | {
        "task": prepared.task,
        "classes": list(prepared.classes),
        "positive": prepared.positive,
        "id": prepared.id_name,
        "target": prepared.target_name,
        "features": list(prepared.feature_names),
        "reading": dict(reading or {}),
    }


def _types(prepared: Prepared) -> dict[str, str]:
    """Return the types that callers send where MLflow's casts require another type in the signature."""
    features = prepared.X(prepared.train)
    texts = [name for name in features.columns if name not in prepared.images and _is_text(features[name])]
    moments = [name for name in features.columns if features[name].dtype.kind == "M"]
    return (
        dict.fromkeys((name for name in texts if features[name].isna().any()), "string")
        | dict.fromkeys(prepared.booleans, "boolean")
        | dict.fromkeys(moments, "datetime")
    )


def _is_text(values: pd.Series) -> bool:
    import pandas as pd

    return isinstance(values.dtype, (pd.StringDtype, pd.CategoricalDtype)) or values.dtype.kind == "O"


def own_modules(folders: Sequence[str]) -> list[ModuleType]:
    """Return the modules to pickle by value: the user's, and the preprocessing and models of mlpipes."""
    from mlpipes_cli.preprocess import portable

    roots = [Path(folder).resolve() for folder in folders]
    outside = Path(sys.prefix).resolve()
    library = str(Path(os.__file__).parent) + os.sep
    found = [*portable.modules(), *(m for n, m in sorted(sys.modules.items()) if n.startswith(_MODELS))]
    for known, module in list(sys.modules.items()):
        if _early.get(known) is module:
            continue
        file = getattr(module, "__file__", None)
        name = getattr(module, "__name__", "__main__")
        if not isinstance(file, str) or name == "__main__" or name.partition(".")[0] == "mlpipes_cli":
            continue
        if _INSTALLED in file or file.startswith(library):
            continue
        path = Path(file).resolve()
        installed = path.is_relative_to(outside) or "site-packages" in path.parts
        if not installed and any(path.is_relative_to(root) for root in roots):
            found.append(module)
    return found


def _reading_moments(model: Any, X: pd.DataFrame) -> Any:
    """Return the model behind a step that parses dates and times, if it takes any.

    MLflow passes dates and times on unchanged.
    """
    names = [str(name) for name in X.columns if X[name].dtype.kind == "M"]
    if not names:
        return model
    from sklearn.pipeline import Pipeline

    from mlpipes_cli.preprocess.preprocessed_model import with_preprocessing
    from mlpipes_cli.preprocess.reading import Moments

    if type(model) is Pipeline:
        return Pipeline([("moments", Moments(names)), *model.steps])
    return with_preprocessing(Moments(names), model)


def _signature(fitted: Fitted, training: Training, prepared: Prepared) -> Any:
    """Return the signature that MLflow infers, with dates and times, and texts with gaps, as any type.

    MLflow would interpret numbers as nanoseconds, guess what ``01/06/2024`` is, and turn a missing text in
    ``inputs`` and ``instances`` into the text ``None``, so the signature makes it leave them alone.
    """
    from mlflow.models import infer_signature
    from mlflow.types import ColSpec, Schema
    from mlflow.types.schema import AnyType

    found = infer_signature(_digest(training.X), fitted.model.predict(training.X.head(EXAMPLE_ROWS)))
    as_sent = {name for name, kind in _types(prepared).items() if kind in ("datetime", "string")}
    if as_sent:
        found.inputs = Schema(
            [
                ColSpec(AnyType(), spec.name, spec.required) if spec.name in as_sent else spec
                for spec in found.inputs.inputs
            ]
        )
    return found


def _digest(X: pd.DataFrame) -> pd.DataFrame:
    """Return a few rows with the types of all, and a missing value in each column that has any."""
    import numpy as np
    import pandas as pd

    columns = {}
    for name in X.columns:
        missing = X[name].isna().to_numpy()
        rows = [*np.flatnonzero(~missing)[:2], *np.flatnonzero(missing)[:1]]
        taken = X[name].iloc[[rows[position % len(rows)] for position in range(3)]]
        columns[name] = taken.reset_index(drop=True)
    return pd.DataFrame(columns)


def warm_up() -> None:
    """Save a dummy model, so that the modules and metadata that saving needs are loaded."""
    import mlflow.sklearn
    import pandas as pd
    from mlflow.models import infer_signature
    from sklearn.dummy import DummyClassifier
    from sklearn.utils.validation import column_or_1d

    requirements.warm_up()
    _early.update(sys.modules)
    X = pd.DataFrame({"x": [0.0, 1.0]})
    column_or_1d(X["x"])  # on first use, scikit-learn looks for other dataframe libraries
    model = DummyClassifier().fit(X, [0, 1])
    scratch = os.environ.get(protocol.SCRATCH)  # in the project: a killed host does not clean up
    with tempfile.TemporaryDirectory(prefix=".warm-up-", dir=scratch) as folder, _quietly():
        mlflow.sklearn.save_model(
            model,
            str(Path(folder) / "model"),
            serialization_format="cloudpickle",
            signature=infer_signature(X, model.predict(X)),
            input_example=X,
            pip_requirements=requirements.locked(()),
        )


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Suppress MLflow's warnings, and a check that serves only a warning.

    The check reads the metadata of every required package to warn of versions other than the installed ones:
    a third of the time that saving takes. The requirements here are the installed versions.
    """
    from mlflow.utils import environment

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    check = getattr(environment, _MISMATCHES, None)
    if check is not None:
        setattr(environment, _MISMATCHES, lambda _: None)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if check is not None:
            setattr(environment, _MISMATCHES, check)


def _first_line(error: BaseException) -> str:
    text = next((part.strip() for part in str(error).splitlines() if part.strip()), "")
    return f"{type(error).__name__}: {text}"
