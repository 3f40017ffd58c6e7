"""One running stack for the tests of a file; each finds it whole, and what it breaks it repairs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import MINIMAL, Cli, Result
from stack_help import processes_of
from waiting import until


@dataclass
class Stack:
    root: Path
    cli: Cli

    @property
    def state(self) -> Path:
        return self.root / ".mlpipes"

    def up(self) -> Result:
        return self.cli("up", "--json", cwd=self.root).ok()

    def pids(self) -> dict[str, int]:
        rows = self.cli("status", "--json", cwd=self.root).ok().json["services"]
        return {row["name"]: row["pid"] for row in rows}

    def remove(self) -> None:
        if self.root.exists():
            self.cli("down", "--volumes", "--yes", cwd=self.root).ok()
        until(lambda: not processes_of(self.root), 90)
        shutil.rmtree(self.root, ignore_errors=True)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    base = tmp_path_factory.mktemp("embedded")
    root = base / "project"
    root.mkdir()
    (root / "mlpipes.yaml").write_text(MINIMAL)
    stack = Stack(root, Cli(base / "home", root))
    yield stack
    stack.remove()


@pytest.fixture
def stack(shared: Stack) -> Stack:
    """The stack, up."""
    shared.up()
    return shared


@pytest.fixture
def fresh(cli: Cli, project_dir: Path) -> Iterator[Stack]:
    """A project of the test's own, nothing running."""
    stack = Stack(project_dir, cli)
    yield stack
    stack.remove()
