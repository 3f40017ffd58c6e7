"""Runs in environments of their own, one of which cannot be built, on a real tracking server."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow.artifacts
import pytest
import yaml

from mlpipes_cli import mlflow_tags

pytestmark = pytest.mark.slow
LOGISTIC = {"trainer": "sklearn", "estimator": "sklearn.linear_model.LogisticRegression"}
OLD, NEITHER = ["scikit-learn==1.7.2"], ["scikit-learn==1.3.2", "numpy>=2.3"]
UNREACHABLE = {"UV_OFFLINE": "1", "PIP_INDEX_URL": "http://127.0.0.1:9/simple"}


@pytest.fixture
def run(lab: Any) -> Callable[..., Any]:
    """The binary, with the downloads of other sessions."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    kept = {"UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR") or str(home / "uv")}
    return lambda *words, **env: lab.stack.cli(*words, env=kept | env)


def test_one_run_in_an_older_scikit_learn_and_one_that_nothing_fits(
    lab: Any, run: Callable[..., Any], tmp_path: Path
) -> None:
    runs = [
        {"name": "old", **LOGISTIC, "environment": {"requirements": OLD}},
        {"name": "neither", **LOGISTIC, "environment": {"requirements": NEITHER}},
    ]
    lab.write(runs)
    outlook = run("train", lab.file, "--dry-run", "--json").ok().json
    assert sum("its environment is not built yet" in text for text in outlook["warnings"]) == 2
    done = run("train", lab.file, "--json")
    assert done.code == 1
    report = {one["name"]: one for one in done.json["runs"]}
    assert "you require scikit-learn==1.3.2" in report["neither"]["error"]
    kept = lab.by_name()
    assert (kept["old"].status, kept["neither"].status) == ("FINISHED", "FAILED")

    log = tmp_path / "log.txt"
    assert lab.registry.artifact(kept["neither"].run_id, mlflow_tags.LOG, log)
    assert "$ uv pip compile" in log.read_text()
    assert "No solution found" in log.read_text()

    tags = kept["old"].tags
    mlflow.set_tracking_uri(lab.uri)
    model = Path(mlflow.artifacts.download_artifacts(tags[mlflow_tags.MODEL_URI], dst_path=str(tmp_path)))
    described = yaml.safe_load((model / "MLmodel").read_text())
    environment = described["metadata"][mlflow_tags.MODEL_METADATA]["environment"]
    assert environment["hash"] == tags[mlflow_tags.ENVIRONMENT]
    assert "scikit-learn==1.7.2" in environment["requirements"]
    assert described["flavors"]["sklearn"]["sklearn_version"] == "1.7.2"
    pins = (model / "requirements.txt").read_text().split("\n")
    assert set(environment["requirements"]) <= set(pins)

    kept_here = {one["hash"]: one for one in run("environments", "--json").ok().json}
    row = kept_here[tags[mlflow_tags.ENVIRONMENT]]
    assert row["purpose"] == "sklearn with scikit-learn==1.7.2"

    # Warm, it needs no resolver and no network; and its settings are checked before anything starts.
    again = run("train", lab.file, "--only", "old", "--force", "--json", **UNREACHABLE).ok()
    assert again.json["runs"][0]["metrics"] == report["old"]["metrics"]
    lab.write([runs[0] | {"params": {"C": 1.0, "penalti": "l2"}}])
    wrong = run("train", lab.file, **UNREACHABLE)
    assert wrong.code == 2
    assert f"{lab.file}:" in wrong.err
    assert "penalti" in wrong.err

    # The resolved file alone makes the same run again.
    resolved = tmp_path / "resolved.yaml"
    assert lab.registry.artifact(kept["old"].run_id, mlflow_tags.RESOLVED_EXPERIMENT, resolved)
    redone = run("train", resolved, "--json").ok()
    assert redone.json["runs"][0]["metrics"] == report["old"]["metrics"]
    assert lab.by_name()["old"].tags[mlflow_tags.ENVIRONMENT] == tags[mlflow_tags.ENVIRONMENT]

    pruned = json.loads(run("environments", "prune", "--all", "--yes", "--json").ok().out)
    assert [one["hash"] for one in pruned["removed"]] == [row["hash"]]
    assert run("environments", "--json").ok().json == []
