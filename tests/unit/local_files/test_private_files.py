"""Rows and predictions are for the account that wrote them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlpipes_cli.local_files import private_files


@pytest.fixture(autouse=True)
def _open_to_all() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_folders_are_closed_those_of_an_earlier_release_too(tmp_path: Path) -> None:
    old = tmp_path / "cache"
    old.mkdir()
    assert mode(private_files.folder(old)) == 0o700
    assert mode(private_files.folder(tmp_path / "a" / "b")) == 0o700
    assert mode(tmp_path / "a") == 0o755  # on the way to it nobody else may write


def test_the_projects_own_folders_are_nobody_elses_to_write_to(tmp_path: Path) -> None:
    """Somebody with a umask of 0 runs a server and takes the lock of the registry."""
    from dataclasses import fields

    from mlpipes_cli import server_registry
    from mlpipes_cli.config.project import ProjectConfig
    from mlpipes_cli.lifecycle.promotion import promotion_lock
    from mlpipes_cli.project import ProjectFolder

    project = ProjectFolder(tmp_path, ProjectConfig(project="p"))
    told = {
        field.name: os.getpid() if field.name == "pid" else None
        for field in fields(server_registry.RunningServer)
    }
    server_registry.write(project, 8000, server_registry.RunningServer(**told))
    assert (mode(project.state), mode(project.state / "serving")) == (0o755, 0o700)
    project.state.chmod(0o777)  # as an earlier release left it
    with promotion_lock.one_at_a_time(project.state, None):  # type: ignore[arg-type]
        assert mode(project.state) == 0o755
