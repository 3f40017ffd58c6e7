"""The table of doors on a stack in containers: `train`, `promote`, and each way to ask the API there.

The columns' types and what is missing are those of ``tests/contracts/test_every_door.py``; here each door is
asked for the whole holdout, of both sources, by a model that was trained, signed and registered as users do.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import doors_help
import httpx
import numpy as np
import pandas as pd
import pytest
from conftest import Cli
from doors_help import DOORS, GAPPY, Served
from integration.docker.conftest import Stack
from serving_help import free_port
from waiting import until, until_answered

pytestmark = pytest.mark.slow
SOURCES = ("parquet", "csv")
SETTINGS = "project: boxes\nruntime: docker\nserving: {model: doors}\n"
EXPERIMENT = """
experiment: doors-%(source)s
model: doors
data:
  source: %(source)s/people.%(source)s
  target: Y
  id: ID
  split: {test: 0.3, seed: 1}
  preprocess: auto
%(missing)s
metric: rmse
runs:
  - {name: ridge, trainer: sklearn, estimator: sklearn.linear_model.Ridge, params: {alpha: 0.001}}
"""


@dataclass
class Found:
    """What a model's holdout says, and what each door says of its rows."""

    held: pd.DataFrame
    expected: list[float]
    said: dict[str, Any] = field(default_factory=dict)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, docker_engine: Any) -> Iterator[dict[str, Found]]:
    """Every door's answers, by the kind of file that the model was trained from."""
    base = tmp_path_factory.mktemp("doors")
    root = base / "project"
    root.mkdir()
    stack = Stack(root, Cli(base / "home", root), docker_engine)
    stack.rewrite(SETTINGS)
    try:
        stack.cli("up", timeout=1800).ok()
        yield {source: asked(stack, source, version) for version, source in enumerate(SOURCES, 1)}
    finally:
        stack.remove()


def asked(stack: Stack, source: str, version: int) -> Found:
    """Train from that source, put the version into production, and ask at every door."""
    folder = stack.root / source
    folder.mkdir()
    trained = doors_help.trained(folder, typed=source == "parquet")  # what the holdout says of each row
    missing = f"  missing: {json.dumps(list(doors_help.WORDS))}" if source == "csv" else ""
    (stack.root / "doors.yaml").write_text(EXPERIMENT % {"source": source, "missing": missing})
    stack.cli("train", "doors.yaml", timeout=600).ok()
    if version > 1:  # as good as the one before, so `promote` would keep that one
        tracking = str(stack.cli("env", "--json").ok().json["MLFLOW_TRACKING_URI"])
        promoted(tracking, f"doors-{source}")
    else:
        stack.cli("promote", "--experiment", f"doors-{source}").ok()
    stack.cli("up", "--with", "api", timeout=1800).ok()
    assert "api" in stack.containers()
    result = Found(trained.held, trained.expected)
    address = str(stack.status()["api"]["url"])
    port = free_port()
    theirs = stack.cli.start("serve", "--engine", "mlflow", "--port", str(port))
    try:
        until_answered(theirs, f"http://127.0.0.1:{port}/ping", 180)
        with client(address) as api, client(f"http://127.0.0.1:{port}") as other:
            until(lambda: api.get("/version").json()["version"] == version)
            served = Served(trained, api, other, None, stack.root, None)
            for door, ask in DOORS.items():
                if door.startswith("predict "):
                    result.said[door] = by_file(stack, door, trained.held)
                else:
                    result.said[door] = ask(served, trained.held)
    finally:
        theirs.terminate()
        theirs.communicate(timeout=60)
    return result


def client(address: str) -> httpx.Client:
    alone = httpx.Limits(max_keepalive_connections=0)
    return httpx.Client(base_url=address, trust_env=False, timeout=60, limits=alone)


def promoted(tracking: str, experiment: str) -> None:
    """Register an experiment's run as the next version, and move the alias to it."""
    import mlflow

    client = mlflow.MlflowClient(tracking, tracking)
    number = client.get_experiment_by_name(experiment).experiment_id
    (model,) = client.search_logged_models([number])
    made = client.create_model_version("doors", model.model_uri, model.source_run_id, model_id=model.model_id)
    client.set_registered_model_alias("doors", "production", made.version)


def by_file(stack: Stack, door: str, table: pd.DataFrame) -> list[float]:
    """What `mlpipes predict` writes."""
    name, *offline = door.split()[1:]
    out = stack.root / "out.parquet"
    out.unlink(missing_ok=True)
    doors_help._written(stack.root / name, table)
    stack.cli("predict", name, "--output", out, *offline).ok()
    return list(pd.read_parquet(out)["prediction"])


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("source", SOURCES)
def test_the_holdouts_prediction_comes_out_of_every_door_of_containers(
    found: dict[str, Found], source: str, door: str
) -> None:
    said, held = found[source].said[door], found[source].held
    assert isinstance(said, list), said
    assert len(said) == len(held)
    for column in GAPPY:
        assert 10 < held[column].isna().sum() < len(held) - 10
    np.testing.assert_allclose(np.array(said), np.array(found[source].expected), rtol=1e-9)
