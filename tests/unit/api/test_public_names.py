"""What a program may use: exactly these names."""

from __future__ import annotations

import subprocess
import sys

import pytest

import mlpipes_cli as mlpipes
from mlpipes_cli.cli import app, commands

NAMES = {
    "ConfigError", "Event", "Interrupted", "MlpipesError", "Project", "Refused", "UsageError", "__version__",
    "init", "monitor",
}  # fmt: skip
METHODS = {
    "backup", "build", "create_key", "data", "doctor", "down", "env", "export", "feedback", "history",
    "keys", "leaderboard", "logs", "migrate", "models", "monitor", "monitor_alerts", "monitor_history",
    "performance", "plan", "predict", "predictions", "promote", "prune", "replay", "report", "restart",
    "restore", "retrain", "revoke_key", "rollback", "run", "runs", "serve", "start", "status", "stop",
    "train", "trust", "up", "upgrade",
}  # fmt: skip
# Commands without a method: about a terminal, about the whole machine, or running until they are stopped.
NOT_OF_A_PROJECT = {"demo", "environments", "export", "images", "open", "projects", "psql", "shell", "watch"}


def test_the_public_names() -> None:
    assert set(mlpipes.__all__) == NAMES == set(dir(mlpipes))
    for name in NAMES:
        assert getattr(mlpipes, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        mlpipes.nothing  # noqa: B018


def test_the_methods_of_a_project() -> None:
    assert {name for name in dir(mlpipes.Project) if not name.startswith("_")} == METHODS


def test_each_command_has_its_method() -> None:
    commands.register(app.app)
    there = {str(c.name or c.callback.__name__) for c in app.app.registered_commands if c.callback}
    there |= {str(group.name) for group in app.app.registered_groups}
    assert there - NOT_OF_A_PROJECT - METHODS == {"init"}


def test_the_import_is_light() -> None:
    code = (
        "import sys, mlpipes_cli as m; m.Project; print([n for n in ('pandas', 'mlflow', 'docker', 'typer') "
        "if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
