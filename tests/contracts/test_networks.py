"""``trainer: keras`` and ``trainer: torch``, each in the environment that it carries."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from environment_help import TESTS, environment, run_jobs, run_program, run_tests

from mlpipes_cli.data import prepared_cache
from mlpipes_cli.data.prepared import Prepared
from mlpipes_cli.worker import protocol, step_log

pytestmark = pytest.mark.slow
MODULES = {
    "keras": """
import keras

class Twice(keras.layers.Layer):
    def call(self, x):
        return 2.0 * x

def gate(x):
    return x * keras.ops.sigmoid(x)

def make(input_shape, n_outputs):
    start = keras.Input(input_shape)
    x = keras.layers.Dense(8, activation=gate)(Twice()(start))
    return keras.Model(start, keras.layers.Dense(n_outputs, activation="sigmoid")(x))
""",
    "torch": """
from torch import nn

class make(nn.Module):
    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(n_features, 8), nn.ReLU(), nn.Linear(8, n_outputs))

    def forward(self, x):
        return self.body(x)
""",
}
ASK = """
import json, sys
import mlflow.pyfunc, numpy as np, pandas as pd
assert "keras" not in sys.modules and "torch" not in sys.modules
X = pd.read_parquet(sys.argv[2])
model = mlflow.pyfunc.load_model(sys.argv[1])
inside = mlflow.sklearn.load_model(sys.argv[1])
assert "tensorflow" not in sys.modules and "torch" not in sys.modules  # with the first question
labels = list(model.predict(X))
scores = inside.predict_proba(X)
alone = np.concatenate([inside.predict_proba(X.iloc[at : at + 1]) for at in range(5)])
assert np.array_equal(alone, scores[:5])
assert not [name for name in sys.modules if name.startswith(("mlpipes_cli", "user_"))]
print(json.dumps([labels, scores[:, 1].tolist()]))
"""


@pytest.fixture(scope="module", params=["keras", "torch"])
def trainer(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def python(trainer: str) -> Iterator[Path]:
    with environment(trainer) as found:
        yield found


def test_it_keeps_the_contract(trainer: str, python: Path, tmp_path: Path) -> None:
    told = run_tests(python, TESTS / "contracts" / "inside" / f"{trainer}_inside.py", tmp_path / "inside")
    assert " passed" in told and "skipped" not in told


@pytest.fixture
def prepared() -> Prepared:
    draw = np.random.default_rng(3)
    frame = pd.DataFrame(draw.normal(size=(300, 4)), columns=["a", "b", "c", "d"])
    frame["town"] = np.where(frame["a"] + frame["b"] > 0, "Rome", "Oslo")
    frame.loc[::9, "c"] = np.nan
    frame["target"] = np.where(frame["a"] + frame["b"] + draw.normal(size=300) / 4 > 0, "yes", "no")
    rows = np.arange(300)
    names = ("a", "b", "c", "d", "town")
    return Prepared(
        "binary", ("no", "yes"), "yes", frame, names, "target", None, rows[rows % 4 > 0], rows[::4], "", ""
    )


def test_a_model_of_the_users_code_loads_where_neither_it_nor_mlpipes_is(
    trainer: str, python: Path, tmp_path: Path, prepared: Prepared
) -> None:
    data, code = tmp_path / "data", tmp_path / "code"
    prepared_cache.save(prepared, data)
    code.mkdir()
    (code / f"user_{trainer}.py").write_text(MODULES[trainer])
    key = "function" if trainer == "keras" else "module"
    params = {"epochs": 12, "patience": 3, "learning_rate": 0.02}
    content: dict[str, Any] = {
        "kind": "train",
        "data": str(data),
        "spec": {"trainer": trainer, "params": params, key: f"user_{trainer}:make"},
        "metric": "ks",
        "seed": 1,
        "threads": 1,
        "preprocess": "auto",
        "folders": [str(code)],
    }
    results = run_jobs(python, tmp_path / "jobs", {"first": content, "again": content})
    outs = [tmp_path / "jobs" / name / protocol.OUT for name in ("first", "again")]
    answers = [(out / "000" / protocol.ANSWERS).read_bytes() for out in outs]
    assert hashlib.sha256(answers[0]).digest() == hashlib.sha256(answers[1]).digest()
    (model,) = results[0]["models"]
    told = step_log.read(outs[0] / protocol.HISTORY)
    assert [step["step"] for step in told] == list(range(1, model["params"]["epochs_run"] + 1))
    assert {"loss", "val_loss"} <= set(told[0]["metrics"])
    pins = {pin.partition("==")[0] for pin in model["requirements"]}
    assert {"keras", "tensorflow-cpu"} <= pins or {"keras", "tensorflow"} <= pins or "torch" in pins
    held = prepared.X(prepared.holdout).reset_index(drop=True)
    held.to_parquet(tmp_path / "rows.parquet")
    said = run_program(python, ASK, outs[0] / "000" / protocol.MODEL, tmp_path / "rows.parquet", cwd=tmp_path)
    labels, scores = json.loads(said.splitlines()[-1])
    wanted = pd.read_parquet(outs[0] / "000" / protocol.ANSWERS)
    assert labels == wanted["prediction"].tolist()
    assert scores == wanted["score_0"].tolist()
    truth = prepared.y(prepared.holdout).to_numpy()
    assert (np.array(labels) == truth).mean() > 0.85
