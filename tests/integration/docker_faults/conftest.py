"""Stacks in containers to be hurt, and an engine of the tests' own that may be stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import signing_help
from conftest import Cli
from integration.docker.conftest import MINIMAL, Stack
from private_engine import PrivateEngine, missing_for_it


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, docker_engine: Any) -> Iterator[Stack]:
    """One stack for the tests of a file, which find it as the one before left it."""
    base = tmp_path_factory.mktemp("faults")
    root = base / "project"
    root.mkdir()
    stack = Stack(root, Cli(base / "home", root), docker_engine)
    stack.rewrite(MINIMAL)
    signing_help.give(root)
    yield stack
    stack.remove()


@pytest.fixture
def fresh(cli: Cli, make_project: Callable[..., Path], docker_engine: Any) -> Iterator[Stack]:
    """A project of the test's own, nothing running."""
    stack = Stack(make_project(MINIMAL, "boxes"), cli, docker_engine)
    yield stack
    stack.rewrite(MINIMAL)
    stack.remove()


@pytest.fixture(scope="module")
def engine(docker_engine: Any) -> Iterator[PrivateEngine]:
    """An engine in a network of its own, with a stack's images; skips where that cannot be had."""
    missing = missing_for_it()
    if missing:
        pytest.skip(f"a private Docker engine needs {missing}")
    private = PrivateEngine()
    try:
        private.begin()
        private.bring_images(docker_engine)
        yield private
    finally:
        private.end()
