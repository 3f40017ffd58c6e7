"""The whole story on a stack that others run."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import data_story_help
import pytest
from conftest import Cli, sealed_environment

from .conftest import ANALYST, Theirs, Write

pytestmark = pytest.mark.slow


@pytest.fixture
def root(tmp_path: Path, write: Write, cli: Cli) -> Iterator[Path]:
    folder = tmp_path / "ours"
    cli("init", folder, "--example", "breast-cancer").ok()
    write(folder)
    yield folder
    cli("down", "--volumes", "--yes", cwd=folder)


def test_train_promote_serve_and_predict_on_it(root: Path, shared: Theirs, cli: Cli) -> None:
    up = cli("up", "--json", cwd=root).ok()
    assert [row["state"] for row in up.json["services"]] == ["running"] * 3
    assert up.json["runtime"] == "remote"
    assert up.json["changes"] == [
        f"postgres: created schema {n}"
        for n in ("raw_data", "clean_data", "serving", "monitoring", "pipelines")
    ]
    assert cli("up", "--json", cwd=root).ok().json["changes"] == []
    experiment = next(root.glob("experiment.yaml"))
    cli("train", experiment, "--only", "logistic", cwd=root).ok()
    promoted = cli("promote", "--metric", "ks", "--json", cwd=root).ok()
    assert promoted.json["to_version"] == 1
    served = cli("serve", "--detach", "--json", cwd=root).ok().json
    by_api = list(csv.DictReader(io.StringIO(cli("predict", "data/new_rows.csv", cwd=root).ok().out)))
    offline = cli("predict", "data/new_rows.csv", "--offline", cwd=root).ok().out
    scores = [float(row["score"]) for row in csv.DictReader(io.StringIO(offline))]
    assert scores == pytest.approx([float(row["score"]) for row in by_api], abs=1e-12)  # of two BLAS threads
    stored = shared.sql("select count(*) from serving.predictions")
    assert stored == [(len(by_api),)]
    rows = {row["name"]: row for row in cli("status", "--json", cwd=root).ok().json["services"]}
    assert rows["api"]["url"] == served["url"]
    assert {name: row["state"] for name, row in rows.items()} == dict.fromkeys(
        ("postgres", "mlflow", "object store", "api"), "running"
    )
    told = cli("env", "--json", cwd=root).ok().json
    assert told["MLFLOW_TRACKING_PASSWORD"] == shared.password
    assert "AWS_SECRET_ACCESS_KEY" not in told
    assert cli("restart", "api", cwd=root).ok().out.startswith("api answers at")
    assert cli("logs", "api", "--since", "1h", cwd=root).ok().out
    assert cli("down", "--json", cwd=root).ok().json["stopped"] == ["api"]
    assert {row["name"]: row["state"] for row in shared.cli("status", "--json").ok().json["services"]} == {
        "postgres": "running", "mlflow": "running",
    }  # fmt: skip


def test_what_is_not_ours_is_left_alone(root: Path, shared: Theirs, cli: Cli) -> None:
    cli("up", cwd=root).ok()
    verbs = ("restart", "stop", "start", "shell")
    for command in (["logs", "mlflow"], *([verb, "postgres"] for verb in verbs)):
        refused = cli(*command, cwd=root)
        assert refused.code == 2
        assert "is remote: mlpipes can" in refused.err
        assert len(refused.err.splitlines()) == 1
    assert "did you mean 'mlflow'?" in cli("logs", "mlfow", cwd=root).err
    cli("down", "--volumes", "--yes", cwd=root).ok()
    assert shared.sql("select count(*) from pg_namespace where nspname = 'serving'") == [(1,)]
    assert not (root / ".mlpipes").exists()


def test_no_secret_is_shown_unless_asked(root: Path, shared: Theirs, cli: Cli) -> None:
    up = cli("up", cwd=root).ok()
    status, doctor = cli("status", cwd=root).ok(), cli("doctor", cwd=root).ok()
    for secret in (ANALYST, shared.password, "s%3Ame"):
        assert secret not in up.out + up.err + status.out + doctor.out
    assert "s%3Ame%20p%40ss%2Fword" in cli("status", "--show-secrets", cwd=root).ok().out


def test_the_environment_goes_before_the_file(root: Path, write: Write, cli: Cli, tmp_path: Path) -> None:
    write(root, env="DB_PASSWORD=wrong")
    assert "password" in cli("up", cwd=root).err
    told = sealed_environment(tmp_path / "home") | {"DB_PASSWORD": ANALYST}
    cli("up", cwd=root, env=told).ok()


def test_a_data_set_from_a_web_server_to_predictions(
    tmp_path: Path, shared: Theirs, write: Write, cli: Cli
) -> None:
    folder, files = tmp_path / "loans", tmp_path / "files"
    folder.mkdir()
    files.mkdir()
    (files / "loans.csv").write_text(data_story_help.table())
    write(folder)
    try:
        cli("up", cwd=folder).ok()
        with data_story_help.http_folder(files) as address:
            data_story_help.run(cli, folder, f"{address}/loans.csv")
        stored = shared.sql("select count(*) from clean_data._versions")
        assert stored == [(2,)]
    finally:
        cli("down", "--volumes", "--yes", cwd=folder)
