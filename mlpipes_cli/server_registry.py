"""Registry of a project's running model servers: each has a note file while it runs.

``.mlpipes/serving/<port>.json`` holds the process (pid and creation time, so that another process with a
reused pid is not taken for the server), the URL and the model.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from mlpipes_cli.local_files import atomic_files, private_files
from mlpipes_cli.project import ProjectFolder

READY = {"api": "/ready", "mlflow": "/health"}
_CLOCK_TOLERANCE = 2.0


@dataclass(frozen=True)
class RunningServer:
    """A server, in the foreground of a terminal or as a service of the stack.

    Attributes:
        url: Its address, without a slash at the end.
        model: The registered model's name.
        version: Its version when the server started.
        alias: The alias that is served.
        engine: ``api`` or ``mlflow``.
        pid: The process.
        created: When the process started, in seconds since the epoch.
        ready: Whether the server has answered yet.
    """

    url: str
    model: str
    version: int
    alias: str
    engine: str
    pid: int
    created: float
    ready: bool = False

    @property
    def question(self) -> str:
        """The path that returns 200 when the server works."""
        return READY[self.engine]


def _folder(project: ProjectFolder) -> Path:
    return project.state / "serving"


@contextlib.contextmanager
def registered(project: ProjectFolder, port: int, api: RunningServer) -> Iterator[None]:
    """Keep a note file of the server for as long as the context lasts."""
    write(project, port, api)
    try:
        yield
    finally:
        path = _folder(project) / f"{port}.json"
        note = _read(path)
        if note is not None and note.pid == api.pid:
            path.unlink(missing_ok=True)


def write(project: ProjectFolder, port: int, api: RunningServer) -> None:
    """Write the note file of a server."""
    folder = _folder(project)
    private_files.folder(folder)
    atomic_files.write_text(folder / f"{port}.json", json.dumps(asdict(api), indent=2))
    atomic_files.write_text(folder / "last_port", str(port))


def last_port(project: ProjectFolder) -> int | None:
    """Return the port that the last API of this project had, or None."""
    try:
        return int((_folder(project) / "last_port").read_text())
    except (OSError, ValueError):
        return None


def find(
    project: ProjectFolder, model: str | None = None, alias: str | None = None, engine: str = "api"
) -> list[RunningServer]:
    """Return the matching servers that are ready, newest first; remove the notes of dead servers."""
    fitting = [
        api
        for api in everyone(project)
        if api.ready and api.engine == engine and model in (None, api.model) and alias in (None, api.alias)
    ]
    return sorted(fitting, key=lambda api: -api.created)


def everyone(project: ProjectFolder) -> Iterator[RunningServer]:
    """Yield all running servers, also those that do not answer yet; remove the notes of dead servers."""
    for path in sorted(_folder(project).glob("*.json")):
        note = _read(path)
        if note is not None and _lives(note):
            yield note
        else:
            path.unlink(missing_ok=True)


def _lives(note: RunningServer) -> bool:
    import psutil

    try:
        process = psutil.Process(note.pid)
        same = abs(process.create_time() - note.created) <= _CLOCK_TOLERANCE
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def this_process() -> tuple[int, float]:
    """Return the pid and the creation time of this process."""
    import psutil

    return os.getpid(), psutil.Process().create_time()


def _read(path: Path) -> RunningServer | None:
    try:
        return RunningServer(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None
