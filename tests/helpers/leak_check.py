"""A pytest plugin: the tests leave nothing behind, or the session fails and names what they left.

Every process that the tests start, directly or not, inherits a mark in its environment or works in
the session's temporary folders; what of it still runs at the end is a leak, with the ports on which
it listens. So is a container, network or volume of a project in those folders. Temporary files go to a
folder of the session's own, which has to be empty at the end. Other people's processes and containers on
the machine are never looked at twice.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import time
import uuid
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

MARK = "LEAK_CHECK_SESSION"
ROOT_LABEL = "io.mlpipes.root"  # the folder of the project that a container, network or volume belongs to
PATIENCE = float(
    os.environ.get("MLPIPES_LEAK_PATIENCE", "15")
)  # seconds in which what was told to stop may end
# Removed by their makers only when this very process ends, or never: uv's locks between builds of packages.
IGNORED = ("pymp-", "pytest-of-", "matplotlib-", "uv-")


@dataclass
class Session:
    """What was so before the first test."""

    mark: str
    folder: Path
    outer: str | None


KEY = pytest.StashKey[Session]()


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    if _is_worker(config):
        return
    outer = os.environ.get("TMPDIR")
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
    session = Session(uuid.uuid4().hex, Path(tempfile.mkdtemp(prefix="mlpipes-tests-")), outer)
    os.environ[MARK] = session.mark
    os.environ["TMPDIR"] = str(session.folder)
    tempfile.tempdir = None
    config.stash[KEY] = session


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, None, None]:
    yield
    if _is_worker(session.config):
        return
    before = session.config.stash[KEY]
    projects = session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
    leaks = _wait_for_none(before.mark, projects) + left_files(before.folder)
    session.config.stash[LEAKS] = leaks
    if leaks and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


LEAKS = pytest.StashKey[list[str]]()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    leaks = config.stash.get(LEAKS, [])
    if leaks:
        terminalreporter.section("left behind by the tests", red=True)
        for leak in leaks:
            terminalreporter.line(leak)
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped:
        terminalreporter.section("skipped, and why")
        for report in skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            terminalreporter.line(f"{report.nodeid}: {reason.removeprefix('Skipped: ')}")


def pytest_unconfigure(config: pytest.Config) -> None:
    if _is_worker(config) or KEY not in config.stash:
        return
    before = config.stash[KEY]
    os.environ.pop(MARK, None)
    os.environ.pop("TMPDIR", None)
    if before.outer is not None:
        os.environ["TMPDIR"] = before.outer
    tempfile.tempdir = None
    shutil.rmtree(before.folder, ignore_errors=True)


def _wait_for_none(mark: str, projects: Path) -> list[str]:
    deadline = time.monotonic() + PATIENCE
    while (
        leaks := left_processes(mark, projects) + left_in_docker(projects)
    ) and time.monotonic() < deadline:
        time.sleep(0.2)
    return leaks


def left_processes(mark: str, projects: Path) -> list[str]:
    """A line for each other process that carries the mark or serves a project in that folder."""
    import psutil

    lines = []
    for process in psutil.process_iter():
        try:
            environ = process.environ()
            project = environ.get("MLPIPES_PROJECT", "")
            ours = environ.get(MARK) == mark or project.startswith(f"{projects}{os.sep}")
            if ours and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                lines.append(_described(process, project))
        except psutil.Error:
            continue
    return lines


def _described(process: Any, project: str) -> str:
    ports = sorted({c.laddr.port for c in process.net_connections("inet") if c.status == "LISTEN"})
    listens = f", listening on {', '.join(map(str, ports))}" if ports else ""
    belongs = f" of project {project}" if project else ""
    return f"process {process.pid}{belongs}: {' '.join(' '.join(process.cmdline()).split())[:200]}{listens}"


def left_in_docker(projects: Path) -> list[str]:
    """A line for each container, network or volume of a project in that folder."""
    if not _engine_listens():
        return []
    import docker
    from docker.errors import DockerException

    try:
        client = docker.from_env(timeout=20)
    except DockerException:
        return []
    wanted = {"label": ROOT_LABEL}
    try:
        kinds = {
            "container": client.containers.list(all=True, filters=wanted, ignore_removed=True),
            "network": client.networks.list(filters=wanted),
            "volume": client.volumes.list(filters=wanted),
        }
    except DockerException:
        return []
    finally:
        client.close()
    return [line for kind, found in kinds.items() for one in found if (line := _owned(kind, one, projects))]


def _owned(kind: str, one: Any, projects: Path) -> str:
    labels = one.labels if kind == "container" else one.attrs.get("Labels") or {}
    root = labels.get(ROOT_LABEL, "")
    return f"{kind} {one.name} of project {root}" if Path(root).is_relative_to(projects) else ""


def _engine_listens() -> bool:
    """Whether it is worth asking; nothing is imported for it where nobody listens."""
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if not host.startswith("unix://"):
        return True
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(2)
            probe.connect(host.removeprefix("unix://"))
        return True
    except OSError:
        return False


def left_files(folder: Path) -> list[str]:
    """A line for each file or folder that is still there."""
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith(IGNORED))
    return [f"temporary {_kind(folder / name)}: {name}{_inside(folder / name)}" for name in names]


def _kind(path: Path) -> str:
    return "folder" if path.is_dir() else "file"


def _inside(path: Path) -> str:
    """What a folder holds, which tells whose it is."""
    if not path.is_dir():
        return ""
    names = sorted(str(found.relative_to(path)) for found in path.rglob("*") if found.is_file())
    return f" with {', '.join(names[:5])}" if names else ", empty"
