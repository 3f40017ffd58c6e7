"""The supervisor of several workers, with real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import serving_help

Start = Callable[[int], subprocess.Popen[bytes]]
APP = """
import os, pathlib, sys
import uvicorn
from mlpipes_cli.server.http import workers

async def app(scope, receive, send):
    while scope["type"] == "lifespan":
        message = await receive()
        pathlib.Path(f"{message['type'].rpartition('.')[2]}-{os.getpid()}").touch()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return

if __name__ == "__main__":
    workers._MORE = 1.0
    config = uvicorn.Config(
        "supervised:app", port=0, workers=2, timeout_graceful_shutdown=1,
        timeout_worker_healthcheck=int(sys.argv[1]), log_level="warning",
    )
    workers.Workers(config, [config.bind_socket()]).run()
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    (tmp_path / "supervised.py").write_text(APP)
    begun: list[subprocess.Popen[bytes]] = []

    def run(patience: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "supervised.py", str(patience)]
        begun.append(subprocess.Popen(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path)}))
        return begun[-1]

    yield run
    for process in begun:
        for one in [*psutil.Process(process.pid).children(), process] if process.poll() is None else []:
            one.kill()


def of(folder: Path, kind: str) -> set[int]:
    return {int(path.name.partition("-")[2]) for path in folder.glob(f"{kind}-*")}


def test_dead_and_hanging_workers_are_replaced(start: Start, tmp_path: Path) -> None:
    parent = start(2)
    serving_help.until(lambda: len(of(tmp_path, "startup")) == 2, 60, "two workers")
    dead, hanging = of(tmp_path, "startup")
    os.kill(hanging, signal.SIGSTOP)
    os.kill(dead, signal.SIGKILL)
    serving_help.until(lambda: len(of(tmp_path, "startup")) == 4, 60, "two more")
    assert not psutil.pid_exists(hanging) and not psutil.pid_exists(dead)
    living = of(tmp_path, "startup") - {dead, hanging}
    parent.terminate()
    assert parent.wait(60) == 0
    assert of(tmp_path, "shutdown") == living


def test_a_worker_that_does_not_stop_is_killed(start: Start, tmp_path: Path) -> None:
    parent = start(600)
    serving_help.until(lambda: len(of(tmp_path, "startup")) == 2, 60, "two workers")
    hanging, other = of(tmp_path, "startup")
    os.kill(hanging, signal.SIGSTOP)
    parent.terminate()
    assert parent.wait(60) == 0
    assert of(tmp_path, "shutdown") == {other}
    assert not psutil.pid_exists(hanging)
