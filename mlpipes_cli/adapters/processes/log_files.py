"""Read, follow and rotate the services' log files."""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from mlpipes_cli.adapters.processes import log_timestamps
from mlpipes_cli.adapters.processes.log_rotation import LIMIT
from mlpipes_cli.local_files import private_files
from mlpipes_cli.project import ProjectFolder


def path(project: ProjectFolder, service: str) -> Path:
    """Return the path of a service's log."""
    return project.logs / f"{service}.log"


def rotate(path: Path) -> None:
    """Rename a large log, replacing the previous old one; called before the service starts."""
    if path.exists() and path.stat().st_size > LIMIT:
        path.replace(path.with_name(f"{path.name}.1"))


def begin(path: Path, what: str) -> None:
    """Write what starts now and the time, so that each start has a time whatever the program writes."""
    rotate(path)
    with contextlib.suppress(OSError):  # the start of the program reports it
        private_files.folder(path.parent)
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC {what}\n")


def tail(path: Path, lines: int) -> list[str]:
    """Return the last lines, without line ends."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", errors="replace") as file:
        return [line.rstrip("\n") for line in deque(file, maxlen=lines)]


def size(path: Path) -> int:
    """Return the log's size in bytes; 0 if there is no log."""
    return path.stat().st_size if path.exists() else 0


def evidence(path: Path, start: int, lines: int = 8) -> str:
    """Return the last lines that were written after byte ``start``, as one line for a message."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(min(start, size(path)))
        text = file.read().decode(errors="replace")
    rows = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    return " | ".join(rows[-lines:])


def read(path: Path, *, lines: int | None, follow: bool, since: float | None = None) -> Iterator[str]:
    """Yield the lines of a log, or the last ``lines`` of them; with ``follow`` also new ones, without end.

    If a followed log is rotated or truncated, reading continues at the start of the new one.
    With ``since``, in seconds since the epoch, only lines with later timestamps are yielded.

    Raises:
        UsageError: ``since`` is given, and no line of the log has a timestamp.
    """
    while not path.exists():
        if not follow:
            return
        time.sleep(0.1)
    file = path.open(encoding="utf-8", errors="replace")
    try:
        found = file if since is None else log_timestamps.later(file, since, path.name)
        yield from (line.rstrip("\n") for line in (found if lines is None else deque(found, maxlen=lines)))
        rest = ""
        while follow:
            rest += file.readline()
            if rest.endswith("\n"):
                yield rest.rstrip("\n")
                rest = ""
            elif _replaced(path, file.fileno(), file.tell()):
                file.close()
                file = path.open(encoding="utf-8", errors="replace")
            else:
                time.sleep(0.1)
    finally:
        file.close()


def _replaced(path: Path, handle: int, position: int) -> bool:
    if not path.exists():
        return False
    return not os.path.samestat(path.stat(), os.fstat(handle)) or path.stat().st_size < position
