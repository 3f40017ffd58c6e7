"""`up --auth`: MLflow asks who one is, and everything of ours says so."""

from __future__ import annotations

import csv
import io
import json
import shutil
import stat
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from conftest import Cli
from stack_help import http, processes_of, services
from waiting import until

from mlpipes_cli.adapters.mlflow.basic_auth import headers, variables

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    base = tmp_path_factory.mktemp("auth")
    made = Cli(base / "home", base / "project")
    made("init", made.cwd, "--example", "breast-cancer", cwd=base).ok()
    settings = made.cwd / "mlpipes.yaml"
    settings.write_text(settings.read_text().replace("runtime: auto", "runtime: embedded"))
    yield made
    made("down", "--volumes", "--yes").ok()
    until(lambda: not processes_of(made.cwd), 90)
    shutil.rmtree(base, ignore_errors=True)


def told(cli: Cli) -> dict[str, str]:
    return dict(cli("env", "--json").ok().json)


def ask(cli: Cli, password: str | None = None) -> int:
    """What MLflow answers to who says nothing, or to the administrator with that password."""
    address = f"{told(cli)['MLFLOW_TRACKING_URI']}/api/2.0/mlflow/experiments/search"
    login = headers(variables(password)) if password else {}
    try:
        http(address, "POST", b'{"max_results": 1}', **login)
    except urllib.error.HTTPError as error:
        return error.code
    return 200


def test_the_whole_story_with_a_login(cli: Cli) -> None:
    up = cli("up", "--auth", "--json").ok()
    assert {row["state"] for row in up.json["services"]} == {"running"}
    assert ask(cli) == 401
    settings = cli.cwd / ".mlpipes" / "basic_auth.ini"
    assert stat.S_IMODE(settings.stat().st_mode) == 0o600
    assert cli("up", "--json").ok().json["changes"] == []  # it is remembered
    cli("train", "experiment.yaml", "--only", "logistic").ok()
    assert cli("promote", "--metric", "ks", "--json").ok().json["to_version"] == 1
    cli("serve", "--detach").ok()
    scored = cli("predict", "data/new_rows.csv").ok().out
    offline = cli("predict", "data/new_rows.csv", "--offline").ok().out
    scores = [float(row["score"]) for row in csv.DictReader(io.StringIO(offline))]
    by_api = [float(row["score"]) for row in csv.DictReader(io.StringIO(scored))]
    assert by_api == pytest.approx(scores, abs=1e-12)  # the last bit is the number of BLAS threads'
    assert cli("leaderboard", "--json").ok().json
    assert cli("history").ok().out
    cli("serve", "--detach", "--engine", "mlflow").ok()
    api = services(cli, cli.cwd)["api"]
    rows = list(csv.DictReader((cli.cwd / "data" / "new_rows.csv").open()))
    features = [{k: float(v) for k, v in row.items() if k not in ("id", "ID")} for row in rows[:2]]
    body = json.dumps({"dataframe_records": features}).encode()
    assert len(json.loads(http(f"{api['url']}/invocations", "POST", body))["predictions"]) == 2
    assert cli("doctor").ok()


def test_no_password_shows(cli: Cli) -> None:
    up = cli("up", "--auth").ok()
    secrets = cli("status", "--show-secrets", "--json").ok().json["secrets"]
    password = secrets["MLFLOW_ADMIN_PASSWORD"]
    assert told(cli)["MLFLOW_TRACKING_USERNAME"] == "admin"
    assert told(cli)["MLFLOW_TRACKING_PASSWORD"] == password
    lines = [" ".join(one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"])]
    shown = up.out + up.err + cli("status").ok().out + cli("doctor").ok().out + "\n".join(lines)
    for secret in (password, secrets["MLFLOW_SECRET_KEY"]):
        assert secret not in shown
        assert all(secret not in path.read_text() for path in (cli.cwd / ".mlpipes" / "logs").glob("*.log"))


def test_the_password_follows_the_file(cli: Cli) -> None:
    cli("up", "--auth").ok()
    env: Path = cli.cwd / ".env"
    old = told(cli)["MLFLOW_TRACKING_PASSWORD"]
    assert ask(cli, old) == 200
    env.write_text(
        env.read_text().replace(f"MLFLOW_ADMIN_PASSWORD={old}", "MLFLOW_ADMIN_PASSWORD=quite-another-1")
    )
    up = cli("up", "--auth").ok()
    assert "differed from .env" in up.err
    assert told(cli)["MLFLOW_TRACKING_PASSWORD"] == "quite-another-1"
    cli("leaderboard").ok()
    assert ask(cli) == 401
    assert (ask(cli, old), ask(cli, "quite-another-1")) == (401, 200)  # the old one is not remembered


def test_it_can_be_taken_away_again(cli: Cli) -> None:
    cli("up", "--auth").ok()
    cli("up", "--no-auth").ok()
    assert ask(cli) == 200
    assert "MLFLOW_TRACKING_PASSWORD" not in told(cli)
    settings = cli.cwd / "mlpipes.yaml"
    settings.write_text(settings.read_text() + "\nstack: {mlflow: {auth: true}}\n")
    assert ask(cli) == 200  # what was chosen goes before the file
    (cli.cwd / ".mlpipes" / "choices.json").write_text('{"runtime": "embedded"}')
    cli("up").ok()
    assert ask(cli) == 401


def test_a_login_that_is_refused_is_told_in_one_line(cli: Cli) -> None:
    cli("up", "--auth").ok()
    env: Path = cli.cwd / ".env"
    right = env.read_text()
    env.write_text(right.replace("MLFLOW_ADMIN_PASSWORD=", "MLFLOW_ADMIN_PASSWORD=not-"))
    try:
        refused = cli("models")
        assert refused.code == 1
        assert "rejected our user name and password" in refused.err
        assert len(refused.err.splitlines()) == 1
    finally:
        env.write_text(right)
