"""Logs that are put aside while somebody writes them: no line is lost, and none stands twice."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from waiting import until

from mlpipes_cli.adapters.processes import log_files, log_rotation

WRITER = """
import sys
for n in range(int(sys.argv[1])):
    print(f"line {n:06d} {'x' * 50}", flush=True)
"""
LINES = 6_000


def test_a_log_is_put_aside_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.log"
    path.write_bytes(b"old\n")
    assert not log_rotation.put_aside(path, limit=4)
    with path.open("ab") as writer:
        assert log_rotation.put_aside(path, limit=3)
        assert (path.read_bytes(), (tmp_path / "mlflow.log.1").read_bytes()) == (b"", b"old\n")
        assert (tmp_path / "mlflow.log.1").stat().st_mode & 0o777 == 0o600
        writer.write(b"new\n")
    assert path.read_bytes() == b"new\n"
    assert log_rotation.put_aside(path, limit=3)
    assert (tmp_path / "mlflow.log.1").read_bytes() == b"new\n"  # one old one is kept
    assert sorted(one.name for one in tmp_path.iterdir()) == ["mlflow.log", "mlflow.log.1"]


def test_the_writer_never_stops(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.log"
    with path.open("ab") as output:
        child = subprocess.Popen([sys.executable, "-c", WRITER, str(LINES)], stdout=output)
    found: list[bytes] = []
    while child.poll() is None or path.stat().st_size:
        if log_rotation.put_aside(path, limit=20_000 if child.poll() is None else 0):
            found.append((tmp_path / "mlflow.log.1").read_bytes())
    lines = b"".join(found).splitlines()
    assert len(found) > 1
    numbers = [int(line.split()[1]) for line in lines if line.startswith(b"line ") and len(line) == 62]
    jumps = sum(later != earlier + 1 for earlier, later in itertools.pairwise(numbers))
    assert numbers == sorted(set(numbers))
    assert jumps <= len(found)  # only what comes in the instant of a cut is gone


def test_a_full_disk_leaves_it_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"x" * 100)
    (tmp_path / "a.log.1").write_bytes(b"before")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(log_rotation.shutil, "copyfileobj", full)
    with pytest.raises(OSError, match="No space"):
        log_rotation.put_aside(path, limit=10)
    assert (path.read_bytes(), (tmp_path / "a.log.1").read_bytes()) == (b"x" * 100, b"before")
    assert len(list(tmp_path.iterdir())) == 2


def test_two_at_once_and_a_reader_that_follows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        log_rotation, "put_aside", lambda path, put=log_rotation.put_aside: put(path, limit=10)
    )
    path = tmp_path / "a.log"
    path.write_bytes(b"a line that is long\n")
    follower, read = log_files.read(path, lines=None, follow=True), list[str]()
    thread = threading.Thread(target=lambda: read.extend(next(follower) for _ in range(2)), daemon=True)
    thread.start()
    for _ in range(2):
        log_rotation.keep(tmp_path, pause=0.01)
    until(lambda: path.stat().st_size == 0, 10)
    with path.open("ab") as file:
        file.write(b"next\n")
    thread.join(10)
    assert read == ["a line that is long", "next"]
    assert (tmp_path / "a.log.1").read_bytes() == b"a line that is long\n"
