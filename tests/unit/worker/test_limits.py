"""Who runs next to whom, and who is stopped for memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE

import pytest

from mlpipes_cli.worker import hardware, protocol
from mlpipes_cli.worker.memory_watch import MemoryWatch, amount, floor
from mlpipes_cli.worker.pool import CandidateJob, HostEvent, Pool
from mlpipes_cli.worker.resource_allocator import ResourceAllocator, ResourceRequest

GIB = 2**30


def shares(cores: int = 4, gpus: int = 0, memory: int = 8 * GIB) -> ResourceAllocator:
    return ResourceAllocator(range(cores), lambda: [str(number) for number in range(gpus)], memory)


def test_cores_that_are_asked_for_are_no_others() -> None:
    room = shares(4)
    first = room.take("a", ResourceRequest(cpu=2), 4)
    second = room.take("b", ResourceRequest(cpu=1), 4)
    free = room.take("c", ResourceRequest(), 4)
    assert first and second and free
    assert (first.cores, second.cores, free.cores) == ((0, 1), (2,), None)
    assert room.take("d", ResourceRequest(), 4) is None  # 2 + 1 + 1 of 4
    room.give_back("a")
    again = room.take("d", ResourceRequest(cpu=2), 4)
    assert again is not None
    assert again.cores == (0, 1)


def test_more_at_a_time_than_cores_may_be_asked_for() -> None:
    room = shares(2)
    assert all(room.take(name, ResourceRequest(), 4) for name in "abcd")
    assert room.take("e", ResourceRequest(cpu=2), 4) is None


def test_what_is_alone_runs_even_if_it_asks_for_more_than_there_is() -> None:
    room = shares(2, memory=GIB)
    share = room.take("a", ResourceRequest(cpu=8, memory=2 * GIB), 2)
    assert share is not None
    assert share.cores is None
    assert room.take("b", ResourceRequest(), 2) is None


def test_memory_that_is_asked_for_is_never_more_than_there_is() -> None:
    room = shares(8, memory=4 * GIB)
    assert room.take("a", ResourceRequest(memory=3 * GIB), 8)
    assert room.take("b", ResourceRequest(memory=2 * GIB), 8) is None
    assert room.take("c", ResourceRequest(memory=GIB), 8)
    assert room.take("d", ResourceRequest(), 8)


def test_gpus_are_given_once_and_parts_of_one_shared() -> None:
    room = shares(8, gpus=2)
    half, other, whole = (
        room.take(n, ResourceRequest(gpu=g), 8) for n, g in (("a", 0.5), ("b", 0.5), ("c", 1))
    )
    assert half and other and whole
    assert (half.gpus, other.gpus, whole.gpus) == (("0",), ("0",), ("1",))
    assert room.take("d", ResourceRequest(gpu=1), 8) is None
    room.give_back("c")
    assert room.take("d", ResourceRequest(gpu=1), 8)
    assert shares(8, gpus=2).take("e", ResourceRequest(gpu=3), 8) is None


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"sys/fs/cgroup/box/memory.max": "max", "sys/fs/cgroup/box/memory.current": "9"}, (8000, 6000)),
        (
            {
                "sys/fs/cgroup/memory.max": str(2048 * 1024),
                "sys/fs/cgroup/memory.current": str(1524 * 1024),
                "sys/fs/cgroup/memory.stat": f"anon 1\ninactive_file {500 * 1024}\n",
            },
            (2048, 1024),
        ),
        (
            {
                "sys/fs/cgroup/memory/box/memory.limit_in_bytes": str(4096 * 1024),
                "sys/fs/cgroup/memory/box/memory.usage_in_bytes": str(4000 * 1024),
                "sys/fs/cgroup/memory/memory.limit_in_bytes": str(2**63 - 4096),
                "sys/fs/cgroup/memory/memory.usage_in_bytes": "1",
            },
            (4096, 96),
        ),
    ],
)
def test_a_containers_limit_counts(files: dict[str, str], expected: tuple[int, int], tmp_path: Path) -> None:
    told = {
        "proc/meminfo": "MemTotal: 8000 kB\nMemFree: 1 kB\nMemAvailable: 6000 kB\n",
        "proc/self/cgroup": "4:memory:/box\n3:cpu,cpuacct:/\n0::/box\n",
    }
    for name, text in (told | files).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = hardware.memory(tmp_path)
    assert (found.total // 1024, found.available // 1024) == expected


def test_the_machine_itself() -> None:
    found = hardware.memory()
    assert 0 < found.available <= found.total
    # A process of its own, which shares most of its pages with this one: of a process that shares hardly any,
    # both numbers are the same, and the kernel counts the resident one in batches.
    command = [sys.executable, "-c", "print(flush=True); input()"]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE) as one:
        assert one.stdout is not None
        one.stdout.readline()
        assert hardware.held([one.pid]) >= hardware.held([one.pid], 1) > 0
        one.kill()


def test_only_when_the_machine_runs_short_the_greediest_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    held = {1: 3 * GIB, 2: 5 * GIB, 3: 6 * GIB}
    monkeypatch.setattr(hardware, "trees", lambda pids: [[pid] for pid in pids])
    monkeypatch.setattr(hardware, "held", lambda pids, at_least=0: held[pids[0]])
    left = [10 * GIB]
    told: list[tuple[str, str]] = []
    watch = MemoryWatch(
        lambda *said: told.append(said), lambda: hardware.Memory(16 * GIB, left[0]), period=3600
    )
    for name, pid, limit in (("small", 1, None), ("big", 2, None), ("promised", 3, 7 * GIB)):
        watch.add(name, pid, limit)
    watch.look()
    assert told == []
    left[0] = GIB // 2
    watch.look()
    watch.look()  # its memory is not back yet: one at a time
    assert [name for name, _ in told] == ["big"]
    assert "used 5 GiB when the machine had only 512 MiB of memory left" in told[0][1]
    watch.remove("big")
    watch.remove("small")
    watch.look()
    assert [name for name, _ in told] == ["big", "promised"]
    watch.close()


def test_amounts() -> None:
    assert (floor(64 * GIB), floor(GIB)) == (GIB, 128 * 2**20)
    assert (amount(2 * GIB), amount(2.34 * GIB), amount(100 * 2**20)) == ("2 GiB", "2.3 GiB", "100 MiB")


GREEDY = """
import os, subprocess, sys, time
held = os.urandom(2**20) * 120  # without a second copy, even for a moment
other = subprocess.Popen(
    [sys.executable, "-c", "import time; held = b'x' * (120 * 2**20); time.sleep(600)"],
    start_new_session=True,
)
time.sleep(600)
def fine(X, y): ...
"""
MODEST = """
import os
from pathlib import Path
cores = sorted(os.sched_getaffinity(0))
(Path(__file__).parent / f"cores-{'-'.join(map(str, cores))}").touch()
def fine(X, y): ...
"""


def write_job(folder: Path, name: str, code: str) -> Path:
    (folder / f"{name}.py").write_text(code)
    job = folder / f"job-{name}"
    job.mkdir()
    spec = {"trainer": "python", "function": f"{name}:fine", "params": {}}
    protocol.write(job / protocol.JOB, {"kind": "check", "runs": [[0, spec]], "folders": [str(folder)]})
    return job


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux only")
def test_a_greedy_job_is_stopped_with_its_reason_and_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit is on all processes together: none of the two passes it alone."""
    monkeypatch.setenv("MLPIPES_WORKER_START", "spawn")
    greedy, modest = write_job(tmp_path, "greedy", GREEDY), write_job(tmp_path, "modest", MODEST)
    ended: dict[str, HostEvent] = {}
    with Pool(tmp_path / "worker.log", 2) as pool:
        pool.submit(CandidateJob("greedy", greedy, wants=ResourceRequest(memory=200 * 2**20)))
        pool.submit(CandidateJob("modest", modest, wants=ResourceRequest(cpu=1)))
        while pool.busy:
            ended |= {event.job: event for event in pool.events() if event.kind == "ended"}
    assert ended["modest"].exit == 0
    assert "more than its limit of 200 MiB (resources -> memory)" in ended["greedy"].reason
    assert ended["greedy"].reason.startswith("used 2")
    assert (tmp_path / f"cores-{hardware.cores()[0]}").exists()


@pytest.mark.slow
def test_a_gpu_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "gpus", list)
    with Pool(tmp_path / "worker.log") as pool:
        pool.submit(CandidateJob("job", write_job(tmp_path, "modest", MODEST), wants=ResourceRequest(gpu=1)))
        (event,) = pool.events()
        assert not pool.busy
    assert event.reason == "it requests 1 GPUs; this machine has 0"
