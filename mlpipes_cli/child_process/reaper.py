"""Kills processes that outlive their parent: on Linux this process adopts them.

A process that calls ``setsid``, as Java and daemons do, leaves its parent's process group, so killing the
group does not reach it. A child subreaper (``prctl(2)``) becomes the parent of every orphan among its
descendants, so it finds each one by its parent, however it was started. Only the standard library is used.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Container, Iterable
from pathlib import Path

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_PAUSE = 0.005  # seconds between two checks of killed processes
PATIENCE = 5.0  # seconds that a killed process may take to end: it may wait for a disk
LINUX = sys.platform == "linux"


def adopt(enabled: bool = True) -> None:
    """Start, or stop, adopting the orphans among the descendants of this process (Linux only)."""
    if LINUX:
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, int(enabled), 0, 0, 0)


def die_with(parent: int, number: int = signal.SIGKILL) -> None:
    """Make the kernel kill this process, or send another signal, when its parent dies (Linux only)."""
    if not LINUX:
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(number))
    if os.getppid() != parent:  # it died in between
        os._exit(1)


def family() -> dict[int, list[int]]:
    """Return the children of each visible process of the machine."""
    found: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 (a Path for each process costs more than reading it)
        if name.isdigit() and (parent := _parent(name)) is not None:
            found.setdefault(parent, []).append(int(name))
    return found


def descendants(pids: Iterable[int], children: dict[int, list[int]] | None = None) -> list[int]:
    """Return all descendants of these processes."""
    known = family() if children is None else children
    waiting, found = list(pids), list[int]()
    while waiting:
        more = known.get(waiting.pop(), [])
        found += more
        waiting += more
    return found


def sweep(
    keep: Container[int] = (), ours: Callable[[int], bool] = lambda pid: True, patience: float = PATIENCE
) -> bool:
    """Kill and reap the children of this process, with all their descendants (Linux only).

    Args:
        keep: Children to keep.
        ours: Returns whether a child may be killed.
        patience: Seconds to wait for them to end.

    Returns:
        Whether none is left.
    """
    if not LINUX:
        return True
    deadline = time.monotonic() + patience
    claimed = set[int]()  # a dead process no longer shows whose it was
    while True:
        known = family()
        others = [pid for pid in known.get(os.getpid(), []) if pid not in keep]
        strays = [pid for pid in others if pid in claimed or ours(pid)]
        if not strays:
            return True
        claimed.update(strays)
        for pid in [*strays, *descendants(strays, known)]:
            kill(pid)
        for pid in strays:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE)


def kill(pid: int) -> None:
    """Send SIGKILL to one process, if it exists and belongs to this user."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


def kill_group(leader: int) -> None:
    """Send SIGKILL to a process group, if it exists and belongs to this user."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def carries(pid: int, mark: str) -> bool:
    """Return whether a process was started with this text in its environment."""
    try:
        return mark.encode() in Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False


def session(pid: int) -> int:
    """Return the session of a process, also of a zombie; 0 if there is no such process."""
    try:
        return os.getsid(pid)
    except OSError:
        return 0


def _parent(pid: str) -> int | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split(None, 2)[1])
    except (OSError, IndexError, ValueError):  # it has ended meanwhile
        return None
