"""No end of a job, its host or the core leaves a process, not even one that left its group and its parent."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from process_help import ended

from mlpipes_cli.worker import protocol
from mlpipes_cli.worker.pool import CandidateJob, HostEvent, Pool

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="orphans come back on Linux alone"),
]
MODULE = """
import os, signal, subprocess, time
from pathlib import Path

HERE = Path(__file__).parent

def forget(*command):
    '''Start something as daemons do: two forks, a session of its own, a parent that is gone.'''
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            (HERE / f"pid-{os.getpid()}").touch()
            os.execvp(command[0], command)
        os._exit(0)
    os.wait()

forget("sleep", "600")
forget("sh", "-c", "setsid sleep 600 & echo > pid-$!; wait")
while len(list(HERE.glob("pid-*"))) < 3:
    time.sleep(0.01)
(HERE / f"job-{os.getpid()}").touch()
{end}

def fine(X, y): ...
"""
ENDS = {"returns": "", "raises": "raise ValueError", "exits": "os._exit(3)", "hangs": "time.sleep(600)"}
CORE = """
import sys
from pathlib import Path
from mlpipes_cli.worker.pool import CandidateJob, Pool

folder = Path(sys.argv[1])
with Pool(folder / "worker.log") as pool:
    pool.submit(CandidateJob("job", folder / "job"))
    while pool.busy:
        list(pool.events())
"""


def write_job(folder: Path, end: str) -> Path:
    (folder / "leaving.py").write_text(MODULE.replace("{end}", ENDS[end]))
    job = folder / "job"
    job.mkdir()
    spec = {"trainer": "python", "function": "leaving:fine", "params": {}}
    protocol.write(job / protocol.JOB, {"kind": "check", "runs": [[0, spec]], "folders": [str(folder)]})
    return job


def pids(folder: Path, kind: str = "*") -> list[int]:
    return [int(path.name.partition("-")[2]) for path in folder.glob(f"{kind}-[0-9]*")]


def alive(folder: Path) -> list[int]:
    return [pid for pid in pids(folder) if not ended(pid)]


def wait_for(condition: Callable[[], object], pool: Pool | None = None) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        if pool is None:
            time.sleep(0.02)
        else:
            list(pool.events(0.02))


def drain(pool: Pool) -> HostEvent:
    ended = None
    deadline = time.monotonic() + 60
    while pool.busy:
        assert time.monotonic() < deadline
        ended = next((event for event in pool.events() if event.kind == "ended"), ended)
    assert ended is not None
    return ended


@pytest.fixture(autouse=True)
def nothing_left(tmp_path: Path) -> Iterator[None]:
    yield
    for pid in alive(tmp_path):
        os.kill(pid, signal.SIGKILL)


@pytest.fixture(autouse=True)
def new_interpreters(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that imports nothing is there at once; who ends whom is the same."""
    monkeypatch.setenv("MLPIPES_WORKER_START", "spawn")


@pytest.mark.parametrize(("end", "start"), [*((end, "spawn") for end in list(ENDS)[:3]), ("returns", "fork")])
def test_a_job_that_ends(end: str, start: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLPIPES_WORKER_START", start)
    with Pool(tmp_path / "worker.log") as pool:
        pool.submit(CandidateJob("job", write_job(tmp_path, end)))
        drain(pool)
        assert len(pids(tmp_path)) == 4
        assert alive(tmp_path) == []  # at once: what comes next may need their ports and memory


@pytest.mark.parametrize("who", ["job", "host", "keeper", "host and keeper", "stop", "close"])
def test_a_job_that_is_ended(who: str, tmp_path: Path) -> None:
    with Pool(tmp_path / "worker.log") as pool:
        pool.submit(CandidateJob("job", write_job(tmp_path, "hangs")))
        wait_for(lambda: pids(tmp_path, "job"), pool)
        assert len(alive(tmp_path)) == 4
        job = psutil.Process(pids(tmp_path, "job")[0])
        host = job.parent()
        assert host is not None
        keeper = host.parent()
        assert keeper is not None
        assert keeper.ppid() == os.getpid()
        if who == "close":
            pool.close()
        elif who == "stop":
            pool.stop("job")
        else:
            for name in who.split(" and "):
                {"job": job, "host": host, "keeper": keeper}[name].kill()
        if who != "close":
            ended = drain(pool)
            assert (ended.signal, ended.lost) == (signal.SIGKILL, who not in {"job", "stop"})
        assert alive(tmp_path) == []
    assert keeper.pid not in {os.getsid(child.pid) for child in psutil.Process().children()}


@pytest.mark.parametrize("who", ["core", "core and host", "core and job", "core and keeper"])
def test_a_core_that_is_killed(who: str, tmp_path: Path) -> None:
    write_job(tmp_path, "hangs")
    core = subprocess.Popen([sys.executable, "-c", CORE, str(tmp_path)])
    wait_for(lambda: pids(tmp_path, "job"))
    job = psutil.Process(pids(tmp_path, "job")[0])
    host = job.parent()
    assert host is not None
    keeper = host.parent()
    assert keeper is not None
    assert keeper.ppid() == core.pid
    core.kill()
    with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):  # the guard may have been faster
        if "host" in who:
            host.kill()
        if "job" in who:
            job.kill()
        if "keeper" in who:
            os.killpg(keeper.pid, signal.SIGKILL)
    core.wait()
    wait_for(lambda: alive(tmp_path) == [] and ended(host) and ended(keeper))
