"""Airflow beside containers: its database in the stack's PostgreSQL, its tasks in the project's folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from environment_help import FOLDER
from integration.monitoring.test_monitor import loans
from integration.pipelines.test_airflow import Airflow
from integration.pipelines.test_pages import DATASET
from stack_help import processes_of, query

if TYPE_CHECKING:
    from integration.docker.conftest import Stack

pytestmark = pytest.mark.slow
PIPELINE = """
pipeline: loans
steps:
  - {name: load, data: load}
  - {name: prepare, data: prepare, needs: [load]}
"""


def test_the_pipeline_runs_on_the_stack_in_containers(stack: Stack) -> None:
    root, cli = stack.root, stack.cli
    cli.environment["MLPIPES_CACHE"] = str(FOLDER.parent)
    (root / "pipeline.yaml").write_text(PIPELINE)
    (root / "dataset.yaml").write_text(DATASET)
    loans(600, 1).to_csv(root / "loans.csv", index=False)
    up = cli("up", "--with", "airflow", cwd=root, timeout=900).ok()
    assert "airflow runs as a process of this machine: its tasks work in the project's folder" in up.err
    assert "airflow" not in stack.containers()
    airflow = Airflow(root, cli)
    airflow.log_in()
    run = airflow.trigger("boxes-loans")
    assert airflow.wait(run) == "success", airflow.tasks(run)
    assert airflow.tasks(run) == {"load": ("success", 1), "prepare": ("success", 1)}
    prepared = airflow.result(run, "prepare")
    assert prepared["splits"] == {"train": 360, "validation": 60, "test": 180}
    rows = query(cli, root, "select dataset, version, fingerprint from clean_data._versions")
    assert rows == [("loans", 1, prepared["fingerprint"])]
    dropped = cli("up", "--with", "none", cwd=root).ok()
    assert "airflow: removed, since it is no longer configured" in dropped.err
    assert "airflow" not in stack.status() and processes_of(root) == []
