from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from mlpipes_cli.clusters import ray_node
from mlpipes_cli.clusters.ray_node import Work

HOLDER = """
import sys
from pathlib import Path
from mlpipes_cli.clusters import ray_node

ray_node._hold(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="mlpipes-ray-"))


def holder(place: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(place)], stdin=-1, stdout=-1)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    return process


def test_folders_of_the_living_stay_and_those_of_the_killed_go() -> None:
    held, begun = folder(), folder()
    process = holder(held)
    ray_node._forget_the_dead()
    assert held.exists()
    process.kill()
    process.communicate()
    ray_node._forget_the_dead()
    assert not held.exists()
    assert begun.exists()


def test_a_process_without_a_session_keeps_its_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getsid", lambda pid: 0)  # as in a container, of one that came from outside
    monkeypatch.setattr(Work, "_run", lambda work: None)
    place = folder()
    Work(str(place), {}, b"", b"")
    assert place.exists()


def test_a_folder_that_cannot_be_used_ends_the_run() -> None:
    place = folder()
    (place / "job").touch()
    work = Work(str(place), {}, b"", b"")
    deadline, told = time.monotonic() + 60, list[dict[str, Any]]()
    while not told and time.monotonic() < deadline:
        told = work.poll()
    assert told[-1]["type"] == "ended"
    assert "on a node of the cluster: FileExistsError" in told[-1]["reason"]
    assert work.fetch()
