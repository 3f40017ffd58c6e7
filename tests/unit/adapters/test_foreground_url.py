"""Which of the servers in the foreground is the prediction API."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from mlpipes_cli import server_registry
from mlpipes_cli.adapters.processes import foreground
from mlpipes_cli.project import ProjectFolder, find_project


@pytest.fixture
def project(make_project: Callable[..., Path]) -> ProjectFolder:
    return find_project(make_project("project: here\nruntime: embedded\n", "here"))


@pytest.mark.parametrize(
    ("engines", "found"),
    [(("api", "mlflow"), 0), (("mlflow", "api"), 1), (("mlflow",), None), (("api", "api"), 1)],
)
def test_mlflows_own_server_is_not_the_api(
    project: ProjectFolder, engines: tuple[str, ...], found: int | None
) -> None:
    """`predict` and `env` look for the API, whichever server started last."""
    waiting = [sys.executable, "-c", "input()"]
    running = [subprocess.Popen(waiting, stdin=subprocess.PIPE) for _ in engines]
    try:
        for at, (engine, process) in enumerate(zip(engines, running, strict=True)):
            created = psutil.Process(process.pid).create_time() + at / 1000  # the later ones started later
            url = f"http://127.0.0.1:{8000 + at}"
            note = server_registry.RunningServer(
                url, "m", 1, "production", engine, process.pid, created, ready=True
            )
            server_registry.write(project, 8000 + at, note)
        assert foreground.url(project) == (None if found is None else f"http://127.0.0.1:{8000 + found}")
    finally:
        for process in running:
            process.communicate(b"\n")
