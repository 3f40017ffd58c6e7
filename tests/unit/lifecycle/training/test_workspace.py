from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.lifecycle.training.workspace import Workspace


def test_a_session_is_held_once_and_leaves_nothing(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, "one")
    with workspace.held():
        (workspace.job(0) / "file").touch()
        with pytest.raises(MlpipesError, match="another `mlpipes train`"), Workspace(tmp_path, "one").held():
            pass
        assert (workspace.root / "000" / "file").exists()
    assert list((tmp_path / "jobs").iterdir()) == []


def test_what_a_killed_process_left_is_removed_and_what_lives_is_not(tmp_path: Path) -> None:
    dead = tmp_path / "jobs" / "dead"
    dead.mkdir(parents=True)
    (tmp_path / "jobs" / "dead.lock").touch()
    alive = Workspace(tmp_path, "alive")
    with alive.held():
        alive.job(1)
        with Workspace(tmp_path, "new").held():
            assert not dead.exists()
            assert (alive.root / "001").exists()


def test_data_that_nobody_used_for_long_is_removed(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, "one")
    for name, age in (("old", 30), ("new", 1)):
        folder = tmp_path / "data" / name
        folder.mkdir(parents=True)
        then = time.time() - age * 24 * 3600
        os.utime(folder, (then, then))
    with workspace.held():
        assert sorted(path.name for path in workspace.data.iterdir()) == ["new"]


def test_a_cache_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "jobs").write_text("a file in the way")
    with pytest.raises(MlpipesError, match="cannot be written to"), Workspace(tmp_path, "one").held():
        pass
