"""Models for the tests of the API in containers, logged by a process of its own."""

from __future__ import annotations

import json
import os
import sys
from importlib.metadata import version
from pathlib import Path

import warm_cli

NEEDED = "iniconfig"  # which the image of the API does not have, and this environment does
NEEDS = f"{NEEDED}=={version(NEEDED)}"
PINS = tuple(f"{name}=={version(name)}" for name in ("scikit-learn", "pandas", "numpy", "cloudpickle"))
ROW = {"amount": 120.5, "age": 41.0, "city": "Paris", "member": True, "since": "2021-03-04T00:00:00"}

_CODE = """
import importlib, json, sys
import mlflow, mlflow.sklearn
sys.path.insert(0, sys.argv[1])
import serving_help, signing_help
name, requirements, needed = sys.argv[2], json.loads(sys.argv[3]), sys.argv[4]
arguments = {**serving_help.arguments(), "pip_requirements": requirements}
if needed:  # so that it does not load where that is missing
    arguments["sk_model"].reader_ = importlib.import_module(needed).IniConfig
mlflow.set_experiment(name)
with mlflow.start_run():
    info = mlflow.sklearn.log_model(name="model", registered_model_name=name, **arguments)
signing_help.seal_logged(info.model_id)
mlflow.MlflowClient().set_registered_model_alias(name, "production", info.registered_model_version)
print("version", info.registered_model_version)
"""


def promoted(tracking_uri: str, name: str, *requirements: str, needed: str = "") -> int:
    """Log the model of ``serving_help``, sign it, register it, and point production to it; the version.

    Args:
        tracking_uri: Where.
        name: The registered model's name.
        requirements: Its pinned requirements, as they are written down.
        needed: A package without which it does not load.
    """
    environment = os.environ | {"MLFLOW_TRACKING_URI": tracking_uri, "MLFLOW_DISABLE_TELEMETRY": "true"}
    lines = json.dumps([*PINS, *requirements])
    command = [sys.executable, "-c", _CODE, str(Path(__file__).parent), name, lines, needed]
    done = warm_cli.program(command, environment)
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split("version ")[-1])
