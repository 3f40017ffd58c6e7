"""The prediction API as a service of a stack of processes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import image_help
import pytest
import signing_help
from conftest import Cli
from stack_help import http, services

SETTINGS = "project: tests\nruntime: embedded\nserving: {model: people}\n"
WARNING = "warning: the API was not started: "


@pytest.fixture
def root(project_dir: Path, cli: Cli) -> Iterator[Path]:
    (project_dir / "mlpipes.yaml").write_text(SETTINGS)
    signing_help.give(project_dir)
    yield project_dir
    cli("down", "--volumes", "--yes").ok()


def up(cli: Cli, *options: str) -> tuple[Any, list[str]]:
    """The changes, and what was said of the API."""
    done = cli("up", "--json", *options).ok()
    return done.json["changes"], [line for line in done.err.splitlines() if "API" in line]


def test_from_no_model_to_none_wanted(root: Path, cli: Cli) -> None:
    _, said = up(cli, "--with", "api")
    todo = "no model is registered yet; train, then `mlpipes promote`, then `mlpipes up`"
    assert said == [WARNING + todo]
    assert up(cli) == ([], [WARNING + todo])  # it is remembered, and nothing else was changed
    assert services(cli, root)["api"]["state"] == "stopped"
    image_help.promoted(cli("env", "--json").ok().json["MLFLOW_TRACKING_URI"], "people")
    changes, said = up(cli)
    row = services(cli, root)["api"]
    assert (changes, said) == ([f"api: started on port {row['port']}"], [])
    answer = json.loads(http(f"{row['url']}/predict", "POST", json.dumps(image_help.ROW).encode()))
    assert answer["model"] == {"name": "people", "version": 1, "alias": "production"}
    assert up(cli) == ([], [])
    (root / "mlpipes.yaml").write_text(SETTINGS.replace("people}", "people, limits: {rows: 5}}"))
    changes, _ = up(cli)  # what it is told differs, and so it is started again
    assert changes == [f"api: started on port {row['port']}"]
    assert "api" in cli("down", "--json").ok().json["stopped"]
    changes, _ = up(cli)
    assert f"api: started on port {row['port']}" in changes
    _stopped_by_itself(cli, root)
    changes, _ = up(cli, "--with", "none")
    assert changes == ["api: removed, since it is no longer configured"]
    assert "api" not in services(cli, root)
    cli("serve", "--detach", "--workers", "2").ok()  # what the command line says stays
    pid = services(cli, root)["api"]["pid"]
    assert up(cli) == ([], [])
    assert services(cli, root)["api"]["pid"] == pid
    changes, _ = up(cli, "--with", "api")  # mlpipes.yaml says one worker
    assert len(changes) == 1
    assert services(cli, root)["api"]["pid"] != pid


def _stopped_by_itself(cli: Cli, root: Path) -> None:
    """The API, and what it needs; it says what becomes of it."""
    without = cli("stop", "postgres").ok().err.splitlines()
    assert "warning: api needs postgres: predictions are refused" in without
    without = cli("stop", "mlflow").ok().err.splitlines()
    assert without == ["warning: api needs mlflow: it keeps serving the loaded model versions"]
    assert cli("stop", "api").ok().out == "stopped: api\n"
    assert services(cli, root)["api"]["state"] == "stopped"
    early = cli("start", "api")
    assert early.code == 1 and "the stack is not running" in early.err
    cli("start", "mlflow").ok()
    assert cli("start", "api").ok().out == f"api answers at {services(cli, root)['api']['url']}\n"


def lose_key(root: Path) -> None:
    """As in a project of an earlier release, or one whose folder came without its .env."""
    path = root / ".env"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not line.startswith("MLPIPES_MODEL_KEY")))


def test_a_project_from_before_signatures_goes_on_with_one_command(root: Path, cli: Cli) -> None:
    cli("up").ok()
    image_help.promoted(cli("env", "--json").ok().json["MLFLOW_TRACKING_URI"], "people")
    lose_key(root)
    trust_all = "`mlpipes models trust --all`"
    (said,) = [line for line in cli("up").ok().err.splitlines() if line.startswith("warning: ")]
    told = "registered before models were signed, and will not be loaded: version 1 of people (production)"
    assert said.startswith(f"warning: {told}; ") and said.endswith(f"then run {trust_all}")
    _, said = up(cli, "--with", "api")
    assert len(said) == 1
    assert said[0].startswith(f"{WARNING}version 1 of model 'people' was signed with another key")
    (row,) = cli("models", "trust", "--all", "--json").ok().json
    assert (row["model"], row["version"], row["outcome"]) == ("people", 1, "trusted")
    assert up(cli)[1] == []
    assert services(cli, root)["api"]["state"] == "running"

    lose_key(root)  # and now there is an API, which an upgrade would have to start again
    note = root / ".mlpipes" / "release.json"
    note.write_text(json.dumps(json.loads(note.read_text()) | {"mlpipes": "0.0.1"}))
    refused = cli("upgrade")
    assert refused.code == 1
    assert "the API would not restart" in refused.err
    assert "version 1 of people (production); nothing was changed" in refused.err
    failed = cli("restart", "api")
    assert failed.code == 1
    assert "version 1 of model 'people' was signed with another key" in failed.err
    assert "`mlpipes models trust 1 --model people`" in failed.err
    cli("models", "trust", "--all").ok()
    up(cli)
    answer = json.loads(
        http(f"{services(cli, root)['api']['url']}/predict", "POST", json.dumps(image_help.ROW).encode())
    )
    assert answer["model"]["version"] == 1


def test_services_that_need_containers_say_so(root: Path, cli: Cli) -> None:
    refused = cli("up", "--with", "api,jupyter")
    assert refused.code == 2
    assert refused.err.startswith("error: --with jupyter: the embedded runtime has no such service")
