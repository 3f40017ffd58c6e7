"""The worker host with both ways to start a candidate: a fork, and a new interpreter."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from process_help import ended

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.worker import protocol
from mlpipes_cli.worker.pool import CandidateJob, HostEvent, Pool

pytestmark = pytest.mark.slow
MODULE = """
import os, signal, time
from pathlib import Path

def fine(X, y, wanted=1): ...

def other(X, y): ...

if os.environ.get("LAB_IMPORT") == "raise":
    raise ValueError("not today")
if os.environ.get("LAB_IMPORT") == "hang":
    child = os.fork()
    Path(f"pid-{os.getpid()}").touch()
    time.sleep(600)
"""


@pytest.fixture(params=["fork", "spawn"])
def start(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("MLPIPES_WORKER_START", request.param)
    return str(request.param)


@pytest.fixture
def pool(start: str, tmp_path: Path) -> Iterator[Pool]:
    (tmp_path / "pool_module.py").write_text(MODULE)
    with Pool(tmp_path / "worker.log", 2) as pool:
        yield pool


def submit(pool: Pool, folder: Path, name: str, function: str = "fine", **params: Any) -> Path:
    job = folder / name
    job.mkdir()
    spec = {"trainer": "python", "function": f"pool_module:{function}", "params": params}
    protocol.write(job / protocol.JOB, {"kind": "check", "runs": [[0, spec]], "folders": [str(folder)]})
    pool.submit(CandidateJob(name, job))
    return job


def drain(pool: Pool, seconds: float = 60.0) -> list[HostEvent]:
    found, deadline = [], time.monotonic() + seconds
    while pool.busy:
        assert time.monotonic() < deadline
        found += pool.events()
    return found


def pids(folder: Path) -> list[int]:
    return [int(path.name.partition("-")[2]) for path in folder.glob("pid-*")]


def wait_for(condition: Any, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def gone(numbers: list[int]) -> bool:
    return all(map(ended, numbers))


def test_jobs_run_and_tell_how_they_ended(pool: Pool, tmp_path: Path) -> None:
    jobs = [submit(pool, tmp_path, f"job{n}", wanted=n) for n in range(4)]
    jobs.append(submit(pool, tmp_path, "bad", wnated=1))
    events = drain(pool)
    ended = {event.job: event for event in events if event.kind == "ended"}
    assert {event.exit for event in ended.values()} == {0}
    assert all(event.max_rss > 0 and event.seconds > 0 for event in ended.values())
    results = [protocol.read(job / protocol.RESULT) for job in jobs]
    assert [result["problems"] for result in results[:4]] == [[]] * 4
    assert "did you mean 'wanted'" in results[4]["problems"][0][2]


def test_no_more_than_allowed_run_at_a_time(pool: Pool, tmp_path: Path) -> None:
    for number in range(5):
        submit(pool, tmp_path, f"job{number}")
    running = most = 0
    for event in drain(pool):
        running += {"started": 1, "ended": -1}.get(event.kind, 0)
        most = max(most, running)
    assert 1 <= most <= 2


def test_the_next_one_works_while_the_caller_looks_at_what_has_ended(start: str, tmp_path: Path) -> None:
    (tmp_path / "pool_module.py").write_text(MODULE)
    with Pool(tmp_path / "worker.log") as pool:
        first, second = (submit(pool, tmp_path, name) for name in ("first", "second"))
        ended = None
        while ended is None:
            ended = next((event for event in pool.events() if event.kind == "ended"), None)
        assert ended.job == "first"
        wait_for((second / protocol.RESULT).exists)  # nobody asks for events meanwhile
        assert [event.job for event in drain(pool) if event.kind == "ended"] == ["second"]
        assert (first / protocol.RESULT).exists()


def test_what_has_ended_is_told_before_what_cannot_be_started(start: str, tmp_path: Path) -> None:
    (tmp_path / "pool_module.py").write_text(MODULE)
    told = []
    with Pool(tmp_path / "worker.log") as pool:
        submit(pool, tmp_path, "first")
        pool.submit(CandidateJob("second", tmp_path, tmp_path / "no-python"))
        with pytest.raises(MlpipesError, match="cannot be started"):
            while pool.busy:
                for event in pool.events():
                    told.append((event.kind, event.job))
    assert ("ended", "first") in told


def test_a_module_that_does_not_import_is_a_problem_not_a_crash(
    start: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_IMPORT", "raise")
    (tmp_path / "pool_module.py").write_text(MODULE)
    with Pool(tmp_path / "worker.log") as pool:
        job = submit(pool, tmp_path, "job")
        drain(pool)
    assert "ValueError: not today" in protocol.read(job / protocol.RESULT)["problems"][0][2]
    assert "Traceback" in (job / protocol.LOG).read_text()


def test_closing_or_stopping_kills_a_job_with_what_it_started(
    start: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_IMPORT", "hang")
    (tmp_path / "pool_module.py").write_text(MODULE)
    with Pool(tmp_path / "worker.log", 2) as pool:
        submit(pool, tmp_path, "one")
        wait_for(lambda: len(pids(tmp_path)) == 2 or (not list(pool.events(0.05)) and False))
        pool.stop("one")
        ended = next(event for event in drain(pool) if event.kind == "ended")
        assert (ended.signal, ended.exit) == (signal.SIGKILL, None)
        wait_for(lambda: gone(pids(tmp_path)))
        submit(pool, tmp_path, "two")
        wait_for(lambda: len(pids(tmp_path)) == 4 or (not list(pool.events(0.05)) and False))
    wait_for(lambda: gone(pids(tmp_path)))


@pytest.mark.skipif(not Path("/proc/self/oom_score_adj").exists(), reason="Linux only")
def test_children_of_the_host_are_the_first_to_be_killed_for_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_IMPORT", "hang")
    (tmp_path / "pool_module.py").write_text(MODULE)
    with Pool(tmp_path / "worker.log") as pool:
        submit(pool, tmp_path, "one")
        wait_for(lambda: len(pids(tmp_path)) == 2 or (not list(pool.events(0.05)) and False))
        scores = [int(Path(f"/proc/{pid}/oom_score_adj").read_text()) for pid in pids(tmp_path)]
        assert min(scores) > int(Path(f"/proc/{os.getpid()}/oom_score_adj").read_text())
