"""Models that tests log by hand are signed as ``train`` signs its own, with a key that projects are given."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from mlpipes_cli.adapters.mlflow.model_source import RestModelSource
from mlpipes_cli.signing import files, keys, statements

TEXT = "the-key-of-the-tests-0123456789-abcdef"
KEY = keys.read(TEXT, "tests")


def give(root: Path) -> None:
    """Have a project whose stack was never up sign with the tests' key."""
    path = root / ".env"
    path.touch(mode=0o600)
    with path.open("a") as file:
        file.write(f"{keys.NAME}={TEXT}\n")


def seal(folder: Path) -> Path:
    """Sign a saved model."""
    statements.seal(folder, KEY)
    return folder


def seal_logged(model_id: str) -> None:
    """Sign a model that was logged, on the tracking server of the environment."""
    import mlflow

    source = RestModelSource(mlflow.get_tracking_uri(), os.environ)
    with tempfile.TemporaryDirectory() as place:
        source.fetch_logged(f"models:/{model_id}", Path(place))  # MLflow's client would add a file of its own
        seal(Path(place))
        mlflow.MlflowClient().log_model_artifact(model_id, str(Path(place) / files.SIGNATURE))


def digest(folder: Path) -> str:
    """What an image is told of its model's files."""
    return files.digest(files.listed(folder))
