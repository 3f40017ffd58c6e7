"""A model that an older scikit-learn trained in an environment of its own, and what it says there."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import serving_help
import signing_help
from environment_help import FOLDER

from mlpipes_cli.adapters.environments import EnvironmentStore
from mlpipes_cli.ports.environments import EnvironmentSpec
from mlpipes_cli.trainers.pinned_environments import base

OLD = "scikit-learn==1.7.2"  # as in the tests of training, so that one environment does for both
_SAVE = """
import json, sys
sys.path.insert(0, sys.argv[1])
import mlflow.pyfunc, mlflow.sklearn, sklearn
import serving_help
arguments = serving_help.arguments(("no", "yes"))
arguments["metadata"]["mlpipes"]["environment"] = json.loads(sys.argv[3])
arguments["input_example"] = serving_help.people(5)
mlflow.sklearn.save_model(path=sys.argv[2], **arguments)
rows = serving_help.people(40, 7)
own = mlflow.sklearn.load_model(sys.argv[2])
print(json.dumps({"sklearn": sklearn.__version__, "scores": own.predict_proba(rows)[:, 1].tolist(),
    "labels": mlflow.pyfunc.load_model(sys.argv[2]).predict(rows).tolist()}))
"""
_REGISTER = """
import sys
import mlflow
from mlflow import MlflowClient
name, folder = sys.argv[1:]
mlflow.set_experiment(name)
with mlflow.start_run() as run:
    mlflow.log_artifacts(folder, "model")
client = MlflowClient()
made = client.create_model_version(name, f"{run.info.artifact_uri}/model", run.info.run_id)
client.set_registered_model_alias(name, "production", made.version)
print("version", made.version)
"""


@contextlib.contextmanager
def interpreter() -> Iterator[tuple[Path, dict[str, Any]]]:
    """A Python with the older scikit-learn, and what a model keeps of its environment."""
    spec = EnvironmentSpec("3.11", (*base(), OLD), purpose="sklearn with an older scikit-learn")
    with EnvironmentStore(folder=FOLDER) as store:
        built = store.ensure(spec)
        yield built.python, built.record()


def promoted(
    tracking_uri: str, name: str, python: tuple[Path, dict[str, Any]], folder: Path
) -> tuple[int, dict[str, Any]]:
    """Save the model there, sign it, register it and point production to it.

    Args:
        tracking_uri: Where.
        name: The registered model's.
        python: Of :func:`interpreter`.
        folder: For its files; not there yet.

    Returns:
        The version; and ``sklearn``, its version, with ``scores`` and ``labels`` of :func:`rows`, as the
        environment's own MLflow has them.
    """
    given = [str(Path(serving_help.__file__).parent), str(folder), json.dumps(python[1])]
    around = os.environ | {"MLFLOW_TRACKING_URI": tracking_uri, "MLFLOW_DISABLE_TELEMETRY": "true"}
    said = json.loads(_run([str(python[0]), "-c", _SAVE, *given], around).splitlines()[-1])
    signing_help.seal(folder)
    told = _run([sys.executable, "-c", _REGISTER, name, str(folder)], around)
    return int(told.split("version ")[-1]), said


def rows() -> pd.DataFrame:
    """Forty of them."""
    return serving_help.people(40, 7)


def split() -> dict[str, Any]:
    """The rows as MLflow's ``dataframe_split``."""
    frame = rows()
    frame["since"] = frame["since"].astype(str)
    return dict(json.loads(frame.to_json(orient="split", index=False)))


def columns() -> dict[str, list[Any]]:
    """The rows as ``/predict`` takes them."""
    told = split()
    return dict(zip(told["columns"], map(list, zip(*told["data"], strict=True)), strict=True))


def compare(said: dict[str, Any], truth: dict[str, Any]) -> None:
    """Hold ``predictions`` and ``scores`` against what :func:`promoted` gave."""
    assert said["predictions"] == truth["labels"]
    assert np.abs(np.asarray(said["scores"]) - truth["scores"]).max() <= 1e-12


def _run(command: Sequence[str], environment: dict[str, str]) -> str:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout
