"""A running stack in containers for the tests of a file; each finds it whole, and repairs what it breaks."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from conftest import Cli, Result
from stack_help import services

from mlpipes_cli.adapters.docker.containers.labels import HOLDS

MINIMAL = "project: boxes\nruntime: docker\n"
SERVICES = ("postgres", "minio", "mlflow")


@dataclass(frozen=True)
class Stack:
    """A project in containers.

    Attributes:
        root: Its folder.
        cli: The binary.
        client: The engine.
    """

    root: Path
    cli: Cli
    client: Any

    def up(self) -> Result:
        return self.cli("up", "--json", cwd=self.root).ok()

    def status(self) -> dict[str, dict[str, Any]]:
        return services(self.cli, self.root)

    def rewrite(self, text: str) -> None:
        """Other settings, in place of those of mlpipes.yaml."""
        (self.root / "mlpipes.yaml").write_text(text)

    def containers(self) -> dict[str, Any]:
        """The containers by service, found by the folder's label."""
        wanted = {"label": f"io.mlpipes.root={os.path.realpath(self.root)}"}
        found = self.client.containers.list(all=True, filters=wanted, ignore_removed=True)
        return {one.labels["com.docker.compose.service"]: one for one in found}

    def ids(self) -> dict[str, str]:
        return {name: one.id for name, one in self.containers().items()}

    def volumes(self, *, secrets: bool = False) -> list[str]:
        """Those with data; with ``secrets`` also those with passwords."""
        wanted = {"label": f"io.mlpipes.root={os.path.realpath(self.root)}"}
        found = self.client.volumes.list(filters=wanted)
        return sorted(one.name for one in found if secrets or HOLDS not in one.attrs["Labels"])

    def at(self, root: Path) -> Stack:
        """The same with another folder."""
        return replace(self, root=root)

    def remove(self) -> None:
        if self.root.exists():
            self.cli("down", "--volumes", "--yes", cwd=self.root).ok()
            assert self.containers() == {}
            assert self.volumes(secrets=True) == []
            shutil.rmtree(self.root)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, docker_engine: Any) -> Iterator[Stack]:
    base = tmp_path_factory.mktemp("docker")
    root = base / "project"
    root.mkdir()
    stack = Stack(root, Cli(base / "home", root), docker_engine)
    stack.rewrite(MINIMAL)
    yield stack
    stack.remove()


@pytest.fixture
def stack(shared: Stack) -> Iterator[Stack]:
    """The stack, up; its settings are as they were afterwards."""
    shared.rewrite(MINIMAL)
    shared.up()
    yield shared
    shared.rewrite(MINIMAL)


@pytest.fixture
def fresh(cli: Cli, make_project: Callable[..., Path], docker_engine: Any) -> Iterator[Stack]:
    """A project of the test's own, nothing running."""
    stack = Stack(make_project(MINIMAL, "boxes"), cli, docker_engine)
    yield stack
    stack.rewrite(MINIMAL)
    stack.remove()
