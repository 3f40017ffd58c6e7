from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from unit.adapters.spool.test_record_format import row

from mlpipes_cli.adapters.spool import PendingRecords, pending_records
from mlpipes_cli.adapters.spool.folders import Spool
from mlpipes_cli.adapters.spool.record_format import pack
from mlpipes_cli.errors import MlpipesError

LIMIT = 10**6


def opened(root: Path, limit: int = LIMIT, file_bytes: int = 1000) -> Spool:
    spool = Spool(root, limit, file_bytes)
    spool.open()
    return spool


def fill(spool: Spool, writes: int, rows: int = 2) -> None:
    for _ in range(writes):
        record = pack([row() for _ in range(rows)])
        spool.append([record], rows, 1_700_000_000_000)


def test_files_are_bounded_and_each_is_removed_after_its_turn(tmp_path: Path) -> None:
    spool = opened(tmp_path / "a" / "spool")
    fill(spool, 10)
    assert len(spool.segments) == 2
    assert all(segment.bytes < 2000 for segment in spool.segments)
    assert [s.path.name for s in spool.segments] == sorted(s.path.name for s in spool.segments)
    rows, age = spool.pending()
    assert rows == 20
    assert age == pytest.approx(time.time() - 1_700_000_000, abs=5)
    assert pending_records(spool.root).rows == 20
    while spool.segments:
        spool.close_current()
        spool.remove(spool.segments[0])
    assert pending_records(spool.root) == PendingRecords()
    spool.close()
    assert sorted(path.name for path in spool.root.iterdir()) == ["lock"]


def test_nobody_else_reads_it(tmp_path: Path) -> None:
    spool = opened(tmp_path / "spool")
    fill(spool, 1)
    assert spool.root.stat().st_mode & 0o777 == 0o700
    assert spool.segments[0].path.stat().st_mode & 0o777 == 0o600
    spool.close()


def test_a_full_spool_refuses_and_keeps_what_it_has(tmp_path: Path) -> None:
    spool = opened(tmp_path / "spool", limit=2000)
    with pytest.raises(MlpipesError, match="the spool is full"):
        fill(spool, 20)
    rows = spool.pending()[0]
    assert 0 < rows < 20
    assert pending_records(spool.root).rows == rows
    spool.close_current()
    spool.remove(spool.segments[0])
    fill(spool, 1)
    spool.close()


def test_a_file_that_was_made_and_never_written_is_cleared_away(tmp_path: Path) -> None:
    left = tmp_path / "spool" / "000000000000001-1-abc"
    left.mkdir(parents=True)
    (left / "000000001.rows").touch()
    spool = opened(tmp_path / "spool")
    assert spool.segments == []
    assert not left.exists()
    spool.close()


def test_the_limit_is_that_of_all_processes_together(tmp_path: Path) -> None:
    first, second = opened(tmp_path / "spool", limit=3000), opened(tmp_path / "spool", limit=3000)
    with pytest.raises(MlpipesError):
        fill(first, 20)
    second._measured = float("-inf")
    with pytest.raises(MlpipesError):
        fill(second, 20)
    assert pending_records(first.root).bytes <= 3000
    first.close()
    second.close()


def test_what_a_closed_one_left_is_taken_over_before_our_own_rows(tmp_path: Path) -> None:
    first = opened(tmp_path / "spool")
    fill(first, 5)
    left = [segment.path for segment in first.segments]
    second = opened(tmp_path / "spool")
    assert second.segments == []  # its process lives
    fill(second, 1)
    first.close()
    assert second.take_over() == 10
    assert [segment.path for segment in second.segments[:-1]] == left
    while second.segments:
        second.close_current()
        second.remove(second.segments[0])
    assert not left[0].parent.exists()
    second.close()


_WRITER = """
import sys
from pathlib import Path
from mlpipes_cli.adapters.spool.folders import Spool
from unit.adapters.spool.test_record_format import row
from mlpipes_cli.adapters.spool.record_format import pack
spool = Spool(Path(sys.argv[1]), 10**9, 20_000)
spool.open()
while True:
    spool.append([pack([row()])], 1, 1)
    print("kept", flush=True)
"""


def test_a_killed_process_leaves_all_that_was_kept_and_its_folder_to_the_next(tmp_path: Path) -> None:
    tests = Path(__file__).parents[3]
    environment = os.environ | {"PYTHONPATH": str(tests)}
    for _ in range(3):
        command = [sys.executable, "-c", _WRITER, str(tmp_path / "spool")]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        assert process.stdout is not None
        kept = sum(1 for _ in (process.stdout.readline() for _ in range(200)))
        process.send_signal(signal.SIGKILL)
        kept += len(process.stdout.read().splitlines())
        process.wait()
        process.stdout.close()
        spool = opened(tmp_path / "spool")
        assert spool.pending()[0] in (kept, kept + 1)
        while spool.segments:
            spool.remove(spool.segments[0])
        spool.close()
    assert sorted(path.name for path in (tmp_path / "spool").iterdir()) == ["lock"]


def test_a_full_disk_is_one_clear_line_and_costs_nothing_that_was_kept(tmp_path: Path) -> None:
    spool = opened(tmp_path / "spool", file_bytes=10**6)
    fill(spool, 3)
    # The kernel's limit on a file's size fails as a full disk does: after a part of the bytes.
    code = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from mlpipes_cli.errors import MlpipesError\n"
        "from unit.adapters.spool.test_folders import fill, opened\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))\n"
        "spool, kept = opened(Path(sys.argv[1]), file_bytes=10**6), 0\n"
        "try:\n"
        "    while True:\n"
        "        fill(spool, 1)\n"
        "        kept += 2\n"
        "except MlpipesError as error:\n"
        "    print(error.reason)\n"
        "fill(spool, 1)\n"
        "assert spool.pending()[0] == kept + 2\n"
        "assert [s.path.stat().st_size for s in spool.segments] == [s.bytes for s in spool.segments]\n"
        "spool.close()\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    command = [sys.executable, "-c", code, str(tmp_path / "other")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"{tmp_path / 'other'}: predictions cannot be spooled (File too large)"
    spool.close()


def test_a_folder_that_cannot_be_used_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MlpipesError, match="predictions cannot be spooled"):
        Spool(tmp_path / "file" / "spool", LIMIT).open()
    with pytest.raises(MlpipesError, match="predictions cannot be spooled"):
        Spool(tmp_path / "file", LIMIT).open()


def test_there_need_be_no_spool(tmp_path: Path) -> None:
    assert pending_records(tmp_path / "none") == PendingRecords()
    assert not pending_records(tmp_path / "none")


def test_a_folder_is_never_seen_before_it_is_held(tmp_path: Path) -> None:
    root = tmp_path / "spool"
    root.mkdir()
    with (root / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code = "import sys; from pathlib import Path; from unit.adapters.spool.test_folders import opened; "
        code += "opened(Path(sys.argv[1]))"
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
        process = subprocess.Popen([sys.executable, "-c", code, str(root)], env=environment)
        time.sleep(1.5)
        assert process.poll() is None
        assert [path.name for path in root.iterdir()] == ["lock"]
    assert process.wait(20) == 0
