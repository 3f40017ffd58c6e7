"""The holdout's rows are in the logged model, and what serving compiles of it is held against them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow.artifacts
import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest

from mlpipes_cli.mlflow_tags import MODEL_SAMPLE, MODEL_URI
from mlpipes_cli.server.compiled import check, compile_model, read_sample
from mlpipes_cli.server.models.signature import describe

pytestmark = pytest.mark.slow
ROWS = 300


def _people(folder: Path) -> Path:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "ID": np.arange(ROWS) + 1000,
            "amount": random.normal(100, 30, ROWS).round(2),
            "visits": random.integers(0, 9, ROWS),
            "city": random.choice(["Köln", "Paris", "東京"], ROWS),
            "member": random.integers(0, 2, ROWS).astype(bool),
        }
    )
    frame["Y"] = np.where(
        frame["amount"] + 20 * frame["member"] + random.normal(0, 20, ROWS) > 110, "yes", "no"
    )
    frame.loc[::7, "amount"] = np.nan
    frame.to_csv(folder / "people.csv", index=False)
    return folder / "people.csv"


def _trained(lab: Any, folder: Path, **data: Any) -> dict[str, Path]:
    runs = [
        {"name": name, "trainer": "sklearn", "estimator": f"sklearn.{path}"}
        for name, path in (
            ("boosting", "ensemble.GradientBoostingClassifier"),
            ("forest", "ensemble.RandomForestClassifier"),
            ("logistic", "linear_model.LogisticRegression"),
        )
    ]
    source = {"source": str(_people(folder)), "target": "Y", "positive": "yes", "id": "ID"}
    lab.write(runs, data=source | {"split": {"seed": 3, "test": 0.4}} | data)
    lab.train().ok()
    found = {}
    for name, run in lab.by_name().items():
        into = folder / name
        into.mkdir()
        mlflow.set_tracking_uri(lab.uri)
        found[name] = Path(mlflow.artifacts.download_artifacts(run.tags[MODEL_URI], dst_path=str(into)))
    return found


def test_models_come_back_with_the_rows_that_prove_what_is_compiled(lab: Any, tmp_path: Path) -> None:
    folders = _trained(lab, tmp_path)
    assert set(folders) == {"boosting", "forest", "logistic"}
    for folder in folders.values():
        sample, description = read_sample(folder), describe(folder)
        assert sample is not None
        assert list(sample.frame) == ["amount", "visits", "city", "member"]
        assert len(sample.frame) == 0.4 * ROWS
        model = mlflow.pyfunc.load_model(str(folder))
        compiled = compile_model(model.get_raw_model(), description.columns, description.details)
        assert compiled is not None
        arguments = (model.get_raw_model(), sample, description.columns, description.details)
        assert check(compiled, *arguments) is None
        rows = [(101.5, 3, "Köln", True), (None, 2.0, "nowhere", False)]
        asked = pd.DataFrame(rows, columns=list(sample.frame)).astype(
            {"visits": "float64", "member": "float64"}
        )
        assert compiled(rows).predictions == list(model.predict(asked))


def test_a_file_that_wants_no_rows_kept_gets_none_kept(lab: Any, tmp_path: Path) -> None:
    for folder in _trained(lab, tmp_path, sample_rows=0).values():
        assert not (folder / MODEL_SAMPLE).exists()
        assert read_sample(folder) is None
