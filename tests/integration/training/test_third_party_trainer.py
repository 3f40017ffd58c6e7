"""A trainer of another package: made of the files that CONTRIBUTING.md names, installed, trained, served.

It needs a package in another version than ours, so it runs in an environment of its own, by its lock.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
import serving_help
from environment_help import FOLDER, run_program
from waiting import until_answered

from mlpipes_cli import mlflow_tags
from mlpipes_cli.trainers.pinned_environments import base

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]
OURS = f"{sys.version_info[0]}.{sys.version_info[1]}"
OTHER_SIX = "1.16.0"
MODULE = {
    "__init__.py": "",
    "definition.py": """
from mlpipes_cli.trainer_registry import TrainerDefinition

DEFINITION = TrainerDefinition(
    trainer="mlpipes_centroid.trainer:CentroidTrainer",
    settings="mlpipes_centroid.settings:CentroidRun",
    summary="the nearest centroid of the classes",
    memory=0.1,
    disk=1.0,
)
""",
    "settings.py": '''
from typing import Annotated, Any, Literal

from pydantic import Field

from mlpipes_cli.config.base import Strict
from mlpipes_cli.config.checked import Checked
from mlpipes_cli.config.runs import Run


class CentroidParams(Strict):
    """What the fit is told."""

    power: Annotated[float, Field(ge=1, le=10)] = Field(default=2.0, description="The power of the distance.")
    middle: Literal["mean", "median"] = Field(default="mean", description="What a centroid is.")


class CentroidRun(Run):
    """The nearest centroid."""

    trainer: Literal["centroid"] = Field(description="The nearest centroid.")
    params: Annotated[dict[str, Any], Checked(CentroidParams)] = Field(
        default_factory=dict, description="How centroids are found."
    )
    standardize: bool = Field(default=True, description="Scale the columns first.")
''',
    "trainer.py": """
import six
from sklearn.pipeline import make_pipeline

from mlpipes_centroid.model import Centroid
from mlpipes_cli.trainers.base import Fitted
from mlpipes_cli.trainers.model_answers import answers
from mlpipes_cli.trainers.preprocessing import preprocessing


class CentroidTrainer:
    def check(self, spec):
        return []

    def fit(self, training):
        params = training.spec["params"]
        step = preprocessing(training, scale=training.spec["standardize"])
        model = make_pipeline(step, Centroid(params.get("power", 2.0), params.get("middle", "mean")))
        return Fitted(model.fit(training.X, training.y), params={"six": six.__version__})

    def answer(self, fitted, X, task, classes):
        return answers(fitted.model, X, task, classes)
""",
    "model.py": """
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin


class Centroid(ClassifierMixin, BaseEstimator):
    def __init__(self, power=2.0, middle="mean"):
        self.power, self.middle = power, middle

    def fit(self, X, y):
        X, y = np.asarray(X, dtype=float), np.asarray(y)
        self.classes_ = np.unique(y)
        middle = getattr(np, self.middle)
        self.centroids_ = np.stack([middle(X[y == label], axis=0) for label in self.classes_])
        return self

    def decision_function(self, X):
        apart = np.abs(np.asarray(X, dtype=float)[:, None, :] - self.centroids_) ** self.power
        distances = apart.sum(axis=2)
        return distances[:, 0] - distances[:, 1]

    def predict(self, X):
        return self.classes_[(self.decision_function(X) > 0).astype(int)]
""",
    "environment.in": f"# python: {OURS}\nsix>=1.16\n",
    "environment.lock": f"six=={OTHER_SIX}\n"
    + "".join(
        f"{name}=={version(name)}\n"
        for name in (re.match(r"[\w.-]+", line)[0] for line in base())  # type: ignore[index]
    ),
    "guide.md": "# The nearest centroid\n",
}
PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "mlpipes-centroid"
version = "{version}"

[project.entry-points."mlpipes.trainers"]
centroid = "mlpipes_centroid.definition:DEFINITION"
"""
LOADED = """
import json, sys
import mlflow.sklearn, pandas as pd
model = mlflow.sklearn.load_model(sys.argv[1])
rows = pd.read_csv(sys.argv[2])
print(json.dumps([model.predict(rows).tolist(), "mlpipes_cli" in sys.modules]))
"""


@dataclass(frozen=True)
class Installed:
    """The package, installed for the command line.

    Attributes:
        environment: What makes the commands find it.
        requirement: By which other environments get it.
    """

    environment: dict[str, str]
    requirement: str


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Built and installed as from an index: its version follows from its files."""
    folder = tmp_path_factory.mktemp("centroid")
    number = zlib.crc32(json.dumps(MODULE, sort_keys=True).encode())
    (folder / "mlpipes_centroid").mkdir()
    for name, text in MODULE.items():
        (folder / "mlpipes_centroid" / name).write_text(text)
    (folder / "pyproject.toml").write_text(PROJECT.format(version=f"1.0.{number}"))
    build = "from hatchling.build import build_wheel; build_wheel('dist')"
    subprocess.run([sys.executable, "-c", build], cwd=folder, check=True, capture_output=True)
    from uv import find_uv_bin

    command = [find_uv_bin(), "pip", "install", "--quiet", "--no-index", "--no-deps", "--find-links", "dist"]
    command += ["--python", sys.executable, "--target", "site-packages", "mlpipes-centroid"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    found = {
        "PYTHONPATH": str(folder / "site-packages"),
        "UV_FIND_LINKS": str(folder / "dist"),
        "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR") or str(home / "uv"),
        "MLPIPES_CACHE": str(FOLDER.parent),
    }
    return Installed(found, f"mlpipes-centroid==1.0.{number}")


@pytest.fixture
def run(lab: Any, package: Installed) -> Callable[..., Any]:
    return lambda *words: lab.stack.cli(*words, env=package.environment)


def served(lab: Any, package: Installed, records: list[dict[str, Any]]) -> list[Any]:
    """What the API answers for some rows."""
    port = serving_help.free_port()
    command = ("serve", "--model", lab.name, "--port", str(port))
    process = lab.stack.cli.start(*command, env=package.environment)
    url = f"http://127.0.0.1:{port}"
    try:
        until_answered(process, f"{url}/health", 240)
        answer = httpx.post(f"{url}/predict", json=records, trust_env=False, timeout=60)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["predictions"])
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


def test_it_is_made_of_the_files_that_the_guide_names() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    section = re.search(r"## How to add a trainer\n(.*?)\n## ", text, re.S)
    assert section is not None
    rows = [line.split("|")[1] for line in section[1].splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`([\w.]+)`", row)}
    assert named == {*MODULE, "pyproject.toml"}


def test_mistakes_in_its_runs_are_told_as_those_of_ours(lab: Any, run: Callable[..., Any]) -> None:
    lab.file.write_text("""\
experiment: centroid
data: {source: sklearn:breast_cancer, target: target}
runs:
  - name: one
    trainer: centroid
    params:
      midle: mean
  - name: two
    trainer: centroid
    standardise: false
    params: {middle: medain}
  - {name: three, trainer: centroid, params: {power: 0.5}, search: {middle: [mean]}}
  - {name: four, trainer: centroid, search: {powr: [1]}}
  - {name: five, trainer: centrod}
""")
    done = run("train", lab.file)
    assert done.code == 2
    name = lab.file
    told = [line.split(f"{name}:", 1)[1] for line in done.err.splitlines() if f"{name}:" in line]
    assert told == [
        "7: runs -> 0 -> params -> midle: unknown key; did you mean 'middle'?",
        "10: runs -> 1 -> standardise: unknown key; did you mean 'standardize'?",
        "11: runs -> 1 -> params -> middle: 'medain' is not valid; did you mean 'median'?",
        "12: runs -> 2 -> params -> power: input should be greater than or equal to 1, got 0.5",
        "13: runs -> 3: search -> powr: centroid has no parameter 'powr'; did you mean 'power'?",
        "14: runs -> 4 -> trainer: unknown trainer 'centrod'; did you mean 'centroid'?",
    ]


def test_it_is_trained_in_its_locked_environment_promoted_and_asked(
    lab: Any, run: Callable[..., Any], package: Installed, tmp_path: Path
) -> None:
    lab.write(
        [
            {"name": "near", "trainer": "centroid", "params": {"middle": "median"}},
            {"name": "sought", "trainer": "centroid", "search": {"power": [1, 2], "middle": ["mean"]}},
        ]
    )
    report = run("train", lab.file, "--json").ok().json
    metrics = {one["name"]: one["metrics"] for one in report["runs"]}
    assert set(metrics) == {"near", "sought"}
    assert all(found["roc_auc"] > 0.9 for found in metrics.values())

    near = lab.by_name()["near"]
    assert near.params["six"] == OTHER_SIX
    assert version("six") != OTHER_SIX
    kept = {one["hash"]: one for one in run("environments", "--json").ok().json}
    assert kept[near.tags[mlflow_tags.ENVIRONMENT]]["purpose"] == "centroid"

    run("promote", "--experiment", lab.name, "--metric", "roc_auc", "--run", near.run_id).ok()
    from sklearn.datasets import load_breast_cancer

    rows = load_breast_cancer(as_frame=True).frame
    shown = rows.head(40).drop(columns="target")
    shown.to_csv(tmp_path / "rows.csv", index=False)
    shown.to_json(tmp_path / "rows.json", orient="records")
    asked = ("predict", tmp_path / "rows.csv", "--offline", "--model", lab.name)
    run(*asked, "--output", tmp_path / "answers.csv").ok()
    answers = pd.read_csv(tmp_path / "answers.csv")
    assert (answers["prediction"].to_numpy() == rows["target"].head(40).to_numpy()).mean() > 0.8
    said = served(lab, package, json.loads((tmp_path / "rows.json").read_text()))
    assert said == answers["prediction"].tolist()

    import mlflow.artifacts

    mlflow.set_tracking_uri(lab.uri)
    model = mlflow.artifacts.download_artifacts(near.tags[mlflow_tags.MODEL_URI], dst_path=str(tmp_path))
    pins = (Path(model) / "requirements.txt").read_text().split("\n")
    assert {package.requirement, f"six=={OTHER_SIX}"} <= set(pins)
    python = FOLDER / near.tags[mlflow_tags.ENVIRONMENT] / "bin" / "python"
    said, needs_us = json.loads(
        run_program(python, LOADED, model, tmp_path / "rows.csv", cwd=tmp_path).splitlines()[-1]
    )
    assert said == answers["prediction"].tolist()
    assert not needs_us
