"""Where the workers of one server keep their numbers, so that each can answer for all of them.

prometheus_client's multiprocess mode: a file a process and kind, in a folder that an environment
variable names. It looks at the variable when it is imported, so the parent sets it before any
worker starts.
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
    """Have the processes that start within the context count together.

    Args:
        folder: For this server alone; what an earlier one left there is removed, and all at the end.
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
    """Have this process count for itself, whatever the environment says."""
    before = os.environ.pop(VARIABLE, None)
    try:
        yield
    finally:
        if before is not None:
            os.environ[VARIABLE] = before


def folder() -> Path | None:
    """The folder that this process shares with others, or None where it is alone."""
    told = os.environ.get(VARIABLE)
    return Path(told) if told else None


def forget_the_dead(place: Path) -> None:
    """Remove the gauges of processes that have ended; their counters stay in the sums."""
    for path in place.glob("gauge_live*.db"):
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
