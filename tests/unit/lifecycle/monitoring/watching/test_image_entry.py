"""The watcher's container: what `up` hands over is what the project's file says, with the alerts' secrets."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from mlpipes_cli.adapters.docker.stack.variables import _watch
from mlpipes_cli.config.project import ProjectConfig
from mlpipes_cli.errors import UsageError
from mlpipes_cli.lifecycle.monitoring.watching.image_entry import _port, _project
from mlpipes_cli.lifecycle.monitoring.watching.service import at_home
from mlpipes_cli.lifecycle.secrets import model_key

GIVEN = {
    "MLPIPES_DATABASE_URL": "postgresql://mlpipes:pw@postgres:5432/mlpipes",
    "MLFLOW_TRACKING_URI": "http://mlflow:5000",
    "MLPIPES_MODEL_KEY": "k" * 32,
}
ALERTS = [
    {"name": "team", "webhook": "https://hooks.example.com/$TEAM_TOKEN", "format": "slack"},
    {"name": "mail", "email": ["a@example.com"], "smtp": "smtps://u:${SMTP_PASSWORD}@m.example.com",
     "from": "b@example.com"},
]  # fmt: skip


def config(**changed: object) -> ProjectConfig:
    settings = {"alerts": ALERTS, "schedule": {"cron": "0 3 * * *", "timezone": "Europe/Berlin"}}
    values = {"project": "bank", "runtime": "docker", "serving": {"model": "loans", "alias": "staging"}}
    return ProjectConfig.model_validate(values | {"monitoring": settings} | changed)


def test_the_container_has_the_settings_and_the_secrets_of_its_alerts_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEAM_TOKEN", "of-the-shell")
    made, secrets = config(), {"SMTP_PASSWORD": 'a"b\\c$d', "POSTGRES_PASSWORD": "not for it"}
    text = _watch(made, secrets)
    assert "\n" not in text and "not for it" not in text
    monkeypatch.delenv("TEAM_TOKEN")
    monkeypatch.setattr(os, "environ", dict(os.environ))
    project = _project(tmp_path, GIVEN | {"MLPIPES_WATCH": text})
    assert (os.environ["TEAM_TOKEN"], os.environ["SMTP_PASSWORD"]) == ("of-the-shell", 'a"b\\c$d')
    assert project.config.monitoring == made.monitoring
    assert (project.config.project, project.config.serving) == ("bank", made.serving)
    assert (project.config.runtime, project.config.stack.postgres.url) == ("remote", "$MLPIPES_DATABASE_URL")
    assert model_key(project.root).secret == b"k" * 32
    assert (project.root / ".env").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"MLPIPES_DATABASE_URL": ""}, "MLPIPES_DATABASE_URL is not set"),
        ({"MLPIPES_WATCH": "[1]"}, "MLPIPES_WATCH is not a JSON object"),
        ({"MLPIPES_WATCH": json.dumps({"settings": {"monitoring": {"alpha": 7}}})},
         "MLPIPES_WATCH: monitoring -> alpha: "),
    ],
)  # fmt: skip
def test_what_is_missing_or_malformed_is_one_line(tmp_path: Path, changed: dict[str, str], why: str) -> None:
    with pytest.raises(UsageError) as error:
        _project(tmp_path, GIVEN | changed)
    assert error.value.reason.startswith(why)
    with pytest.raises(UsageError, match="PORT: '0' is not a number from 1 to 65535"):
        _port({"PORT": "0"})


def test_a_command_keeps_the_watcher_in_the_projects_folder() -> None:
    assert at_home(config()) == ""
    own = {"alerts": [*ALERTS, {"name": "own", "command": "python on_alarm.py"}]}
    assert at_home(config(monitoring=own)) == "alert 'own' is a command of the project's folder"
    assert (
        at_home(config(monitoring={"retrain": {}}))
        == "`retrain` trains experiment.yaml of the project's folder"
    )
    assert at_home(config(monitoring={"retrain": {"if": [], "rollback_if": "worse"}})) == ""
