"""Models that tests log by hand are signed as ``train`` signs its own, with a key that projects are given."""

from __future__ import annotations

import tempfile
from pathlib import Path

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

    with tempfile.TemporaryDirectory() as place:
        folder = mlflow.artifacts.download_artifacts(f"models:/{model_id}", dst_path=place)
        seal(Path(folder))
        mlflow.MlflowClient().log_model_artifact(model_id, str(Path(folder) / files.SIGNATURE))


def digest(folder: Path) -> str:
    """What an image is told of its model's files."""
    return files.digest(files.listed(folder))
