"""XGBoost, LightGBM and CatBoost, in an environment that has them, as a run that names them gets it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from environment_help import run_jobs

import mlpipes_cli
from mlpipes_cli.adapters.environments import EnvironmentStore
from mlpipes_cli.config.runs import Environment
from mlpipes_cli.data import prepared_cache
from mlpipes_cli.data.prepared import Prepared
from mlpipes_cli.lifecycle.training.environments import of_run
from mlpipes_cli.server.models.loader import load
from mlpipes_cli.server.requests.request_parser import read_invocations, read_records
from mlpipes_cli.trainers.sklearn.settings import SklearnRun
from mlpipes_cli.worker import protocol

REQUIREMENTS = ("xgboost-cpu==3.*", "lightgbm==4.*", "catboost==1.*", "pytest")
HERE = Path(__file__).resolve().parent
PLACE = {"hash": "0", "python": "3.11", "requirements": ["xgboost-cpu"]}
FUNCTION = """
import xgboost

def train(X, y, preprocess):
    model = xgboost.XGBClassifier(n_estimators=9, enable_categorical=True)
    return model.fit(X.astype({"town": "category"}), y)
"""
NATIVE: dict[str, dict[str, Any]] = {
    "catboost": {
        "estimator": "catboost.CatBoostClassifier", "params": {"iterations": 9, "cat_features": ["town"]},
    },
    "xgboost": {
        "estimator": "xgboost.XGBClassifier", "params": {"n_estimators": 9, "enable_categorical": True},
    },
    "lightgbm": {"estimator": "lightgbm.LGBMClassifier", "params": {"n_estimators": 9}},
    "function": {"trainer": "python", "function": "user_categories:train", "params": {}},
}  # fmt: skip


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    run = SklearnRun(
        name="boosted",
        trainer="sklearn",
        estimator="xgboost.XGBClassifier",
        environment=Environment(requirements=REQUIREMENTS),
    )
    spec = of_run(run)
    assert spec is not None
    with EnvironmentStore(folder=tmp_path_factory.mktemp("cache") / "environments") as store:
        yield store.ensure(spec, say=print).python


@pytest.mark.slow
def test_the_contract_labels_names_seeds_threads_and_early_stopping(python: Path, tmp_path: Path) -> None:
    package = Path(mlpipes_cli.__file__).parent
    command = [python, HERE / "boosting_program.py", HERE.parent, package, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout) == []


@pytest.mark.slow
def test_categories_with_gaps_are_answered_as_the_holdout_was(python: Path, tmp_path: Path) -> None:
    """Record by record and in a batch, as the API reads them, and as a file is read, in the environment."""
    code = tmp_path / "code"
    code.mkdir()
    (code / "user_categories.py").write_text(FUNCTION)
    prepared = rows_with_gaps()
    prepared_cache.save(prepared, tmp_path / "data")
    common = {"kind": "train", "data": str(tmp_path / "data"), "metric": "ks", "seed": 1, "threads": 1}
    common |= {"preprocess": "none", "folders": [str(code)], "environment": PLACE}
    jobs = {name: {**common, "spec": {"trainer": "sklearn", **spec}} for name, spec in NATIVE.items()}
    run_jobs(python, tmp_path / "jobs", jobs)
    held = prepared.X(prepared.holdout).reset_index(drop=True)
    records = [
        {name: None if value != value else value for name, value in row.items()}
        for row in held.astype(object).to_dict("records")
    ]
    held.to_csv(tmp_path / "held.csv", index=False)
    for name in NATIVE:
        out = tmp_path / "jobs" / name / protocol.OUT / "000"
        scored = pd.read_parquet(out / protocol.ANSWERS)["score_0"].to_numpy()
        assert len(np.unique(scored)) > 5
        model = load(
            out / protocol.MODEL, name, 1, "production", interpreters=lambda told: python, seconds=60
        )
        try:
            for at in range(0, len(records), 7):
                asked = read_records(json.dumps(records[at]).encode(), "application/json", model, 9)
                assert model.predict(asked.data).scores == pytest.approx([scored[at]], abs=1e-12), (name, at)
            asked = read_records(json.dumps(records).encode(), "application/json", model, 999)
            assert model.predict(asked.data).scores == pytest.approx(scored, abs=1e-12)
            asked = read_invocations((tmp_path / "held.csv").read_bytes(), "text/csv", model, 999)
            assert model.predict(asked.data).scores == pytest.approx(scored, abs=1e-12)
        finally:
            assert model.elsewhere is not None
            model.elsewhere.close()


def rows_with_gaps() -> Prepared:
    """The town tells the class; gaps in it, and one town that the training rows do not have."""
    draw = np.random.default_rng(3)
    rows = np.arange(240)
    town = np.array(["Rome", "Oslo", "Bern"], dtype=object)[draw.integers(0, 3, len(rows))]
    frame = pd.DataFrame({"town": pd.Series(town, dtype="str"), "size": draw.normal(size=len(rows))})
    frame["target"] = ((town == "Rome") ^ (draw.random(len(rows)) < 0.1)).astype(int)
    frame.loc[::7, "town"] = None
    frame.loc[[4, 8], "town"] = "Paris"
    held, names = rows[::4], ("town", "size")
    return Prepared("binary", (0, 1), 1, frame, names, "target", None, rows[rows % 4 > 0], held, "", "")
