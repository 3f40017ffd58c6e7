from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mlpipes_cli.local_files import file_locks

HOLD = """
import sys, time
from pathlib import Path
from mlpipes_cli.local_files import file_locks
assert file_locks.take(Path(sys.argv[1])) is not None
print("held", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("kind", ["a file", "a new file", "a folder"])
def test_one_holder_at_a_time_and_the_next_one_afterwards(tmp_path: Path, kind: str) -> None:
    path = tmp_path if kind == "a folder" else tmp_path / "lock"
    if kind == "a file":
        path.write_text("content")
    first = file_locks.take(path)
    assert first is not None
    assert file_locks.take(path) is None
    with file_locks.held(path) as held:
        assert held is False
    os.close(first)
    with file_locks.held(path) as held:
        assert held is True
        assert file_locks.take(path) is None
    if kind == "a file":
        assert path.read_text() == "content"
    if kind == "a new file":
        assert path.stat().st_mode & 0o777 == 0o600


def test_shared_locks_are_shared_and_one_alone_becomes_exclusive(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    one, two = (file_locks.take(path, shared=True) for _ in range(2))
    assert one is not None and two is not None
    assert file_locks.take(path) is None
    assert file_locks.lock(one) is False
    os.close(two)
    assert file_locks.lock(one) is True
    assert file_locks.take(path, shared=True) is None
    os.close(one)


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"held\n"
    assert file_locks.take(path) is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    with file_locks.held(path) as held:
        assert held is True


def test_who_waits_for_a_file_that_is_removed_holds_the_new_one(tmp_path: Path) -> None:
    path, got = tmp_path / "lock", []
    first = file_locks.take(path)
    assert first is not None
    waiter = threading.Thread(target=lambda: got.append(file_locks.take(path, wait=True)))
    waiter.start()
    deadline = time.monotonic() + 20
    while not _waits(path) and time.monotonic() < deadline:
        time.sleep(0.01)
    path.unlink()
    os.close(first)
    waiter.join(20)
    assert len(got) == 1
    assert os.fstat(got[0]).st_ino == path.stat().st_ino
    assert file_locks.take(path) is None
    os.close(got[0])


def _waits(path: Path) -> bool:
    """Return whether somebody is blocked on the file's lock: `/proc/locks` marks it with an arrow."""
    inode = f":{path.stat().st_ino} "
    return any("->" in line and inode in line for line in Path("/proc/locks").read_text().splitlines())


def _work(path: Path, shared: Path, rounds: int) -> None:
    for _ in range(rounds):
        with file_locks.held(path, wait=True):
            count = int(shared.read_text())
            shared.write_text(str(count + 1))
            path.unlink()  # while others wait for it


def test_processes_that_remove_the_file_at_each_turn_never_hold_it_together(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_work, args=(tmp_path / "lock", counter, 100)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert counter.read_text() == "300"


def test_a_missing_file_is_only_made_where_that_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        file_locks.take(tmp_path / "lock", create=False)
    with pytest.raises(FileNotFoundError):
        file_locks.take(tmp_path / "none" / "lock")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_locked_is_not_taken_for_held(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(write)
    os.close(read)
    with pytest.raises(file_locks.UnsupportedError, match="Bad file descriptor"):
        file_locks.lock(read)
