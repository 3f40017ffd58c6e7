"""Saved models of each kind that the scoring protocol meets, for its contract test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pandas as pd
import serving_help

ROWS = 240
PIPS = ["scikit-learn"]


def table(rows: int = ROWS) -> pd.DataFrame:
    """One required column of each type that has a fast lane."""
    random = np.random.default_rng(7)
    return pd.DataFrame(
        {
            "amount": random.normal(100, 30, rows),
            "ratio": random.random(rows).astype("float32"),
            "age": random.integers(18, 90, rows),
            "level": random.integers(0, 9, rows).astype("int32"),
            "member": random.integers(0, 2, rows).astype(bool),
            "city": pd.Series(random.choice(["Köln", "Paris", "東京"], rows), dtype=object),
        }
    )


def _target() -> Any:
    found = table()
    return found["age"] / 10 + found["amount"] / 50 + found["member"] + (found["city"] == "Paris")


def _with_gaps() -> pd.DataFrame:
    """The same with missing values, which makes columns optional."""
    found = table()
    found.loc[::5, "amount"] = np.nan
    found.loc[1::7, "ratio"] = np.nan
    found.loc[2::9, "city"] = None
    return found


def _trained(path: Path, estimator: Any, task: str, labels: Any, gaps: bool = False) -> Path:
    """As `mlpipes train` makes them: our preprocessing, an estimator, notes, rows of the holdout."""
    import mlflow.sklearn
    import pyarrow as pa
    from mlflow.models import infer_signature
    from sklearn.pipeline import Pipeline

    from mlpipes_cli.mlflow_tags import MODEL_METADATA, MODEL_SAMPLE
    from mlpipes_cli.preprocess import auto, portable

    X = _with_gaps() if gaps else table()
    model = Pipeline([("preprocess", auto.build(X, task)), ("model", estimator)]).fit(X, labels)
    classes = [] if task == "regression" else sorted(set(np.asarray(labels).tolist()))
    notes = {
        "task": task,
        "classes": classes,
        "positive": classes[-1] if task == "binary" else None,
        "id": "ID",
        "target": "Y",
        "features": list(X.columns),
    }
    for module in portable.modules():
        cloudpickle.register_pickle_by_value(module)
    try:
        mlflow.sklearn.save_model(
            model,
            str(path),
            serialization_format="cloudpickle",
            signature=infer_signature(X.head(3), model.predict(X.head(3))),
            input_example=None,
            pip_requirements=PIPS,
            metadata={MODEL_METADATA: notes},
        )
    finally:
        for module in portable.modules():
            cloudpickle.unregister_pickle_by_value(module)
    sample = pa.Table.from_pandas(X.head(60), preserve_index=False)
    with pa.OSFile(str(path / MODEL_SAMPLE), "wb") as file, pa.ipc.new_file(file, sample.schema) as writer:
        writer.write_table(sample)
    return path


def train(path: Path) -> Path:
    from sklearn.ensemble import GradientBoostingClassifier

    labels = (_target() > 9).astype("int64").to_numpy()
    return _trained(path, GradientBoostingClassifier(n_estimators=15, random_state=0), "binary", labels)


def multiclass(path: Path) -> Path:
    """Labels of text, and columns that may be missing."""
    from sklearn.linear_model import LogisticRegression

    labels = np.array(["low", "middle", "höher"], dtype=object)[pd.qcut(_target(), 3, labels=False)]
    return _trained(path, LogisticRegression(max_iter=500), "multiclass", labels, gaps=True)


def regression(path: Path) -> Path:
    from sklearn.ensemble import RandomForestRegressor

    return _trained(path, RandomForestRegressor(12, random_state=0), "regression", _target().to_numpy())


def mixed(path: Path) -> Path:
    return serving_help.saved(path)


def pyfunc(path: Path) -> Path:
    """A PythonModel that answers a frame, with a column that may be missing."""
    import mlflow.pyfunc
    from mlflow.types import ColSpec, DataType, Schema

    class Frames(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            import pandas as pd

            size = model_input["text"].fillna("").str.len()
            extra = model_input["bonus"].fillna(0.0) if "bonus" in model_input else 0.0
            return pd.DataFrame({"size": size + extra, "even": size % 2 == 0, "first": model_input["text"]})

    columns = [
        ColSpec(DataType.string, "text"),
        ColSpec(DataType.long, "count"),
        ColSpec(DataType.double, "bonus", required=False),
    ]
    return _python(path, Frames(), Schema(columns), None)


def params(path: Path) -> Path:
    """A PythonModel with parameters, which answers a list."""
    import mlflow.pyfunc
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

    class Powers(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            values = model_input["x"].to_numpy() ** params["power"] + params["shift"]
            return [f"{params['unit']}{value:.6f}" for value in values]

    known = ParamSchema(
        [
            ParamSpec("power", DataType.long, 2),
            ParamSpec("shift", DataType.double, 0.5),
            ParamSpec("unit", DataType.string, ""),
        ]
    )
    return _python(path, Powers(), Schema([ColSpec(DataType.double, "x")]), known)


def _python(path: Path, model: Any, inputs: Any, known: Any) -> Path:
    import sys

    import mlflow.pyfunc
    from mlflow.models import ModelSignature

    here = sys.modules[__name__]
    cloudpickle.register_pickle_by_value(here)
    try:
        mlflow.pyfunc.save_model(
            str(path),
            python_model=model,
            signature=ModelSignature(inputs=inputs, params=known),
            pip_requirements=PIPS,
        )
    finally:
        cloudpickle.unregister_pickle_by_value(here)
    return path


def tensor(path: Path) -> Path:
    """A signature of one tensor without a name."""
    return _on_arrays(path, "infer")


def unsigned(path: Path) -> Path:
    """No signature at all."""
    return _on_arrays(path, None)


def _on_arrays(path: Path, signature: str | None) -> Path:
    import mlflow.sklearn
    from mlflow.models import infer_signature
    from sklearn.linear_model import LinearRegression

    X = np.random.default_rng(3).normal(size=(50, 3))
    model = LinearRegression().fit(X, X @ [1.0, -2.0, 0.5])
    known = infer_signature(X, model.predict(X)) if signature else None
    mlflow.sklearn.save_model(
        model, str(path), serialization_format="cloudpickle", signature=known, pip_requirements=PIPS
    )
    return path


KINDS: dict[str, Callable[[Path], Path]] = {
    "train": train,
    "multiclass": multiclass,
    "regression": regression,
    "mixed": mixed,
    "pyfunc": pyfunc,
    "params": params,
    "tensor": tensor,
    "unsigned": unsigned,
}

# MLflow is imported once and each server is a fork: `mlflow models serve` ends in this very call of
# uvicorn, with the model's folder in this variable; `serve --engine mlflow` with our application.
SERVERS = """
import os, signal, sys
application, folder = "mlflow.pyfunc.scoring_server.app:app", None
import mlflow.pyfunc.scoring_server, sklearn.pipeline, sklearn.linear_model, uvicorn, fastapi
for given in sys.argv[1:]:
    port, _, path = given.partition("=")
    if os.fork() == 0:
        os.environ["__pyfunc_model_path__"] = path
        uvicorn.run(application, app_dir=folder, port=int(port), workers=1, log_level="critical")
        os._exit(0)
sys.stdin.read()
os.killpg(0, signal.SIGKILL)
"""
OURS = SERVERS.replace(
    'application, folder = "mlflow.pyfunc.scoring_server.app:app", None',
    "from mlpipes_cli.server.scoring_server import start\napplication, folder = start.APP, str(start.FOLDER)",
)
