"""Temporary folders: gone after their context, and after a kill with the next one; never while in use."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from mlpipes_cli.local_files import temporary_folders

KILLED = """
import os, signal
from mlpipes_cli.local_files import temporary_folders
with temporary_folders.folder("rows-") as made:
    (made / "part").write_text("x")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED], env={"TMPDIR": str(tmp_path)}, check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert (left / "part").read_text() == "x"
    with temporary_folders.folder("rows-") as made:
        assert list(tmp_path.iterdir()) == [made] != [left]
        assert made.stat().st_mode & 0o777 == 0o700
    assert list(tmp_path.iterdir()) == []


def test_folders_in_use_and_those_of_others_stay(tmp_path: Path) -> None:
    (tmp_path / "other-1").mkdir()
    (tmp_path / "rows-file").write_text("x")
    with temporary_folders.folder("rows-") as first:
        (first / "part").write_text("x")
        with temporary_folders.folder("rows-") as second:
            assert first != second and (first / "part").exists()
        assert first.exists() and not second.exists()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["other-1", "rows-file"]
