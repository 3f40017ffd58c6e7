from __future__ import annotations

import shutil
from pathlib import Path

import compiled_help
import mlflow.sklearn
import numpy as np
import pytest
from mlflow.models import infer_signature
from sklearn.ensemble import RandomForestClassifier

from mlpipes_cli.data.prepared import Prepared
from mlpipes_cli.mlflow_tags import MODEL_SAMPLE
from mlpipes_cli.preprocess import portable
from mlpipes_cli.server.models.loader import load
from mlpipes_cli.worker import holdout_sample


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A forest as `mlpipes train` logs it, its holdout's rows beside it."""
    import cloudpickle

    found = tmp_path_factory.mktemp("model") / "m"
    frame, y = compiled_help.frame(), compiled_help.target("text")
    model = compiled_help.trained(RandomForestClassifier(9, random_state=0), "text")
    for module in portable.modules():
        cloudpickle.register_pickle_by_value(module)
    mlflow.sklearn.save_model(
        model,
        str(found),
        serialization_format="cloudpickle",
        pip_requirements=["scikit-learn"],
        signature=infer_signature(frame, y),
        metadata={"mlpipes": compiled_help.details("text") | {"id": "ID"}},
    )
    for module in portable.modules():
        cloudpickle.unregister_pickle_by_value(module)
    rows = np.arange(len(frame))
    prepared = Prepared(
        "binary",
        ("no", "yes"),
        "yes",
        frame.assign(Y=y),
        tuple(frame),
        "Y",
        None,
        rows[:100],
        rows[100:],
        "",
        "",
    )
    holdout_sample.write(prepared, found, 10_000)
    return found


def test_a_trained_model_with_gaps_is_served_by_its_compiled_predictor(folder: Path) -> None:
    model = load(folder, "forest", 1, "production")
    assert model.shortcut is not None and model.lane is not None
    frame = compiled_help.changed()
    found, wanted = model.shortcut.ask(compiled_help.rows(frame)), model.predict(frame)
    assert found.predictions == wanted.raw.tolist()
    assert found.scores == wanted.scores


def test_without_the_rows_the_model_is_served_the_plain_way(folder: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(folder, bare)
    (bare / MODEL_SAMPLE).unlink()
    model = load(bare, "forest", 1, "production")
    assert model.shortcut is None
    frame = compiled_help.frame().head(3)
    assert model.predict(frame).scores == load(folder, "forest", 1, "production").predict(frame).scores
