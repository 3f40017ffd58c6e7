"""Share the numbers of a server's workers, so that each worker can report all of them.

This is prometheus_client's multiprocess mode: one file per process and kind, in a folder that an environment
variable names. It reads the variable on import, so the parent sets it before any worker starts.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_LIVE = re.compile(r"gauge_live[a-z]*_(\d+)\.db")


@contextlib.contextmanager
def shared(folder: Path) -> Iterator[None]:
    """Make the processes that start within the context count together.

    Args:
        folder: For this server alone; old content is removed, and the whole folder at the end.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = str(folder)
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(VARIABLE, None)
        else:
            os.environ[VARIABLE] = before
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Make this process count for itself, whatever the environment variable says."""
    before = os.environ.pop(VARIABLE, None)
    try:
        yield
    finally:
        if before is not None:
            os.environ[VARIABLE] = before


def folder() -> Path | None:
    """Return the folder that this process shares with others, or None if it shares none."""
    value = os.environ.get(VARIABLE)
    return Path(value) if value else None


def forget_the_dead(directory: Path) -> None:
    """Remove the gauges of processes that have ended; their counters stay in the sums."""
    for path in directory.glob("gauge_live*.db"):
        found = _LIVE.fullmatch(path.name)
        if found and not _lives(int(found[1])):
            path.unlink(missing_ok=True)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
