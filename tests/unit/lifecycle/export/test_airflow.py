"""``export airflow``: the same file twice, one that imports nothing of ours, and a changed one that stays."""

from __future__ import annotations

import ast
import py_compile
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import Cli

PIPELINE = """
pipeline: nightly
schedule: "0 3 * * mon"
timezone: Europe/Berlin
parallel: 3
steps:
  - {name: live, promote: {metric: roc_auc, to: live}, needs: [train], allow: [3]}
  - {name: load, data: load, retries: 2, retry_delay: 1m, retry_backoff: 2}
  - {name: prepare, data: prepare, needs: [load]}
  - {name: train, train: experiment.yaml, needs: [prepare], timeout: 2h}
  - name: note
    run: "echo it's $TEAM"
    env: {TEAM: $WHO}
    when: [{step: live, exit: [0, 3]}, {step: prepare, value: splits.train, at_least: 100}]
"""
DATASET = "dataset: loans\nsource: loans.csv\nkey: ID\nsplit: {test: 0.3}\n"
EXPERIMENT = """
experiment: loans
model: scores
data: {source: "dataset:loans", target: default}
runs: [{name: logistic, trainer: sklearn, estimator: sklearn.linear_model.LogisticRegression}]
"""


def write(root: Path, pipeline: str = PIPELINE) -> None:
    for name, text in (("pipeline", pipeline), ("dataset", DATASET), ("experiment", EXPERIMENT)):
        (root / f"{name}.yaml").write_text(text)


def constants(path: Path) -> dict[str, Any]:
    """What the first assignment of each name in capital letters gives it."""
    found: dict[str, Any] = {}
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                found.setdefault(node.targets[0].id, ast.literal_eval(node.value))
            except ValueError:
                continue
    return found


def test_the_file_holds_the_pipeline(cli: Cli, project_dir: Path) -> None:
    write(project_dir)
    found = cli("export", "airflow", "--json").ok().json
    assert found == {
        "dag": "tests-nightly",
        "path": "dags/mlpipes-tests-nightly.py",
        "schedule": "0 3 * * mon",
        "assets": [
            "mlpipes://tests/datasets/loans", "mlpipes://tests/models/scores/live", "mlpipes://tests/raw/loans",
        ],
    }  # fmt: skip
    path = project_dir / found["path"]
    py_compile.compile(str(path), cfile=str(project_dir / "compiled.pyc"), doraise=True)
    told = constants(path)
    assert [told[name] for name in ("NAME", "PROJECT", "SCHEDULE", "ZONE", "PARALLEL")] == [
        "tests-nightly", str(project_dir), "0 3 * * mon", "Europe/Berlin", 3,
    ]  # fmt: skip
    assert told["PROGRAM"] == [sys.executable, "-m", "mlpipes_cli"]
    steps = {step["name"]: step for step in told["STEPS"]}
    assert list(steps) == ["load", "prepare", "train", "live", "note"]
    assert steps["load"] == {
        "name": "load", "own": True, "command": ["--json", "data", "load", "dataset.yaml"], "needs": [],
        "when": [], "retries": 2, "retry_delay": 60.0, "retry_backoff": 2.0, "timeout": None, "allow": [],
        "env": {}, "outlets": ["mlpipes://tests/raw/loans"],
    }  # fmt: skip
    assert steps["train"]["timeout"] == 7200.0 and steps["live"]["allow"] == [3]
    assert steps["note"]["command"] == ["/bin/sh", "-c", "echo it's $TEAM"] and not steps["note"]["own"]
    assert steps["note"]["when"] == [
        {"step": "live", "exit": [0, 3]},
        {"step": "prepare", "value": "splits.train", "at_least": 100.0},
    ]


def test_it_imports_nothing_of_ours(cli: Cli, project_dir: Path) -> None:
    write(project_dir)
    path = project_dir / cli("export", "airflow", "--json").ok().json["path"]
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = {one.name.split(".")[0] for node in nodes if isinstance(node, ast.Import) for one in node.names}
    froms = {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    assert names | {name.split(".")[0] for name in froms} <= sys.stdlib_module_names | {"airflow"}
    assert {name for name in froms if name.startswith("airflow")} == {"airflow.sdk", "airflow.sdk.exceptions"}


def test_a_file_that_was_changed_stays(cli: Cli, project_dir: Path) -> None:
    write(project_dir)
    path = project_dir / "dags" / "mlpipes-tests-nightly.py"
    assert cli("export", "airflow").ok().out == f"wrote dags/{path.name}: DAG tests-nightly\n"
    first = path.read_text()
    cli("export", "airflow").ok()
    assert path.read_text() == first
    path.write_text(first + "# mine\n")
    refused = cli("export", "airflow")
    assert refused.code == 2 and "was changed since the export" in refused.err
    assert path.read_text() == first + "# mine\n"
    cli("export", "airflow", "--force").ok()
    assert path.read_text() == first
    path.write_text("print('mine')\n")
    assert "exists already, and is not a DAG of `mlpipes export airflow`" in cli("export", "airflow").err


@pytest.mark.parametrize("kind", ["airflow", "systemd", "github", "gitlab"])
def test_the_folder_of_an_export_is_made_if_its_parent_exists(cli: Cli, project_dir: Path, kind: str) -> None:
    write(project_dir)
    cli("export", kind, "--output", "new").ok()
    assert any(path.is_file() for path in (project_dir / "new").rglob("*"))
    refused = cli("export", kind, "--output", "no/where")
    assert refused.code == 2
    assert refused.err.splitlines()[-1] == "error: no: no such folder; choose another --output"
    refused = cli("export", kind, "--output", "pipeline.yaml")
    assert refused.code == 2
    assert refused.err.splitlines()[-1] == "error: pipeline.yaml: not a folder; choose another --output"


def test_what_cannot_be_written_is_one_line(cli: Cli, project_dir: Path) -> None:
    write(project_dir)
    (project_dir / "file").write_text("")
    for output, said in (("no/dags", "no: no such folder"), ("file", "file: not a folder")):
        refused = cli("export", "airflow", "--output", output)
        assert refused.code == 2 and said in refused.err
    write(project_dir, PIPELINE.replace("needs: [load]", "needs: [lode]"))
    assert "there is no step 'lode'" in cli("export", "airflow").err
    assert not (project_dir / "dags").exists()
