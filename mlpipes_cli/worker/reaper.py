"""Processes that outlive the one that started them: on Linux they come to us, and are ended.

A process that calls ``setsid`` leaves the group of whoever started it, as Java and daemons do, so killing the
group does not reach it. A child subreaper (``prctl(2)``) is the new parent of every orphan beneath it; there
it is found by its parent, however it was started. Nothing but the standard library is used.
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
_PAUSE = 0.005  # seconds between two looks at what was killed
PATIENCE = 5.0  # seconds that something killed may take to go: it may wait for a disk
LINUX = sys.platform == "linux"


def adopt(orphans: bool = True) -> None:
    """Become, or stop being, the parent of what our descendants leave behind (Linux only)."""
    if LINUX:
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, int(orphans), 0, 0, 0)


def die_with(parent: int, number: int = signal.SIGKILL) -> None:
    """Be killed, or sent another signal, when the parent goes (Linux only)."""
    if not LINUX:
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(number))
    if os.getppid() != parent:  # it went in between
        os._exit(1)


def family() -> dict[int, list[int]]:
    """The children of each process of the machine that we may see."""
    found: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 (a Path for each process costs more than reading it)
        if name.isdigit() and (parent := _parent(name)) is not None:
            found.setdefault(parent, []).append(int(name))
    return found


def descendants(pids: Iterable[int], children: dict[int, list[int]] | None = None) -> list[int]:
    """What these processes started, and what that started in turn, without themselves."""
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
    """Kill and bury the children of this process, with all that they started (Linux only).

    Args:
        keep: Children that stay.
        ours: Tells of a child whether it may be killed.
        patience: Seconds to wait for them to be gone.

    Returns:
        Whether none is left.
    """
    if not LINUX:
        return True
    deadline = time.monotonic() + patience
    claimed = set[int]()  # who is dead tells no more whose it was
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
    """SIGKILL to one process, if it is there and ours."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


def kill_group(leader: int) -> None:
    """SIGKILL to a process group, if it is there and ours."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def carries(pid: int, mark: str) -> bool:
    """Whether a process was started with this text in its environment."""
    try:
        return mark.encode() in Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False


def session(pid: int) -> int:
    """The session that a process belongs to, also when it is dead and not buried; 0 if there is none."""
    try:
        return os.getsid(pid)
    except OSError:
        return 0


def _parent(pid: str) -> int | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split(None, 2)[1])
    except (OSError, IndexError, ValueError):  # it ended meanwhile
        return None
