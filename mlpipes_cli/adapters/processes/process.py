"""Processes: start them so that they outlive us, know them again, end them.

A process is known by its pid together with its creation time, so that a number that the system
gave to somebody else is never taken for ours. Each also carries marks in its environment, by
which it is found again when what we wrote down is lost.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlpipes_cli import private_files
from mlpipes_cli.errors import MlpipesError

if TYPE_CHECKING:
    import psutil

PROJECT_MARK, SERVICE_MARK = "MLPIPES_PROJECT", "MLPIPES_SERVICE"
PORT_MARK, PRINT_MARK = "MLPIPES_SERVICE_PORT", "MLPIPES_SERVICE_FINGERPRINT"
FOREGROUND = "serve"  # what `mlpipes serve` starts in front of somebody
_CLOCK_TOLERANCE = 2.0  # the system derives creation times from a clock that may be corrected


@dataclass(frozen=True)
class ProcessIdentity:
    """A process and no other.

    Attributes:
        pid: Its number.
        created: Seconds since the epoch.
    """

    pid: int
    created: float

    def process(self) -> psutil.Process | None:
        """The process if it is this one and still runs (one that only waits to be reaped does not)."""
        found = running(self.pid)
        if found is None or abs(found.create_time() - self.created) > _CLOCK_TOLERANCE:
            return None
        return found


def running(pid: int) -> psutil.Process | None:
    """The process of that number, unless it has ended."""
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process
    except psutil.Error:
        return None


def identify(pid: int) -> ProcessIdentity | None:
    """The identity of a running process."""
    import psutil

    try:
        return ProcessIdentity(pid, psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def spawn(
    command: Sequence[str], *, environment: Mapping[str, str], folder: Path, log: Path
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, without a terminal, its output appended to ``log``.

    Raises:
        MlpipesError: It cannot be started or the log cannot be written.
    """
    try:
        private_files.folder(log.parent)
        with log.open("ab") as output:
            return subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=dict(environment),
                start_new_session=True,
            )
    except OSError as error:
        raise MlpipesError(f"{command[0]}: cannot be started ({error.strerror}: {error.filename})") from None


def marks(process: psutil.Process) -> Mapping[str, str]:
    """The environment of a process; nothing where it is not ours to read."""
    import psutil

    try:
        return process.environ()
    except (psutil.Error, OSError, ValueError):
        return {}


def foreground_marks(project: Path) -> dict[str, str]:
    """The marks of what a server in the foreground starts."""
    return {PROJECT_MARK: str(project), SERVICE_MARK: FOREGROUND}


def everyone() -> Iterator[psutil.Process]:
    """All running processes but this one and those above it."""
    import psutil

    with contextlib.suppress(psutil.Error):
        spared = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
        for process in psutil.process_iter():
            if process.pid not in spared and running(process.pid):
                yield process


def marked(project: Path, service: str) -> list[psutil.Process]:
    """The processes that carry a project's and a service's marks, children that strayed too."""
    wanted = (str(project), service)

    def is_ours(process: psutil.Process) -> bool:
        found = marks(process)
        return (found.get(PROJECT_MARK), found.get(SERVICE_MARK)) == wanted

    return [process for process in everyone() if is_ours(process)]


def services(project: Path) -> set[str]:
    """The names of the services that processes with a project's mark belong to."""
    found = (marks(process) for process in everyone())
    return {
        one[SERVICE_MARK] for one in found if one.get(PROJECT_MARK) == str(project) and SERVICE_MARK in one
    }


def leader(processes: Iterable[psutil.Process]) -> psutil.Process | None:
    """The one that was started first: it leads its session."""
    for process in processes:
        with contextlib.suppress(OSError):
            if os.getsid(process.pid) == process.pid:
                return process
    return None


def command_line(process: psutil.Process) -> list[str]:
    """Its command line; empty where it has ended."""
    import psutil

    try:
        return process.cmdline()
    except (psutil.Error, OSError):
        return []


def family(process: psutil.Process) -> list[psutil.Process]:
    """A process and all below it."""
    import psutil

    try:
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return [process]


def memory(processes: Iterable[psutil.Process]) -> int:
    """Resident bytes of all of them."""
    import psutil

    total = 0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            total += process.memory_info().rss
    return total


def listen(processes: Iterable[psutil.Process], port: int) -> bool:
    """Whether one of them listens on a TCP port, or does not let us know."""
    import psutil

    for process in processes:
        try:
            if any(
                c.status == psutil.CONN_LISTEN and c.laddr.port == port
                for c in process.net_connections("tcp")
            ):
                return True
        except psutil.AccessDenied:
            return True
        except psutil.Error:
            continue
    return False


def end(
    find: Callable[[], list[psutil.Process]], *, patience: float = 10.0, polite: int = signal.SIGTERM
) -> int:
    """End all that ``find`` finds, asking first; returns how many there were.

    Raises:
        MlpipesError: One of them cannot be ended.
    """
    targets = find()
    _signal(targets, polite)
    _wait(targets, patience)
    seen = {process.pid for process in targets}
    for _ in range(5):
        left = find()
        seen |= {process.pid for process in left}
        if not left:
            return len(seen)
        _signal(left, signal.SIGKILL)
        _wait(left, 5.0)
    names = ", ".join(f"{process.name()} (pid {process.pid})" for process in find())
    if names:
        raise MlpipesError(f"cannot stop {names}", "check with `ps` whether it belongs to another user")
    return len(seen)


def _signal(processes: Iterable[psutil.Process], number: int) -> None:
    import psutil

    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)


def _wait(processes: Iterable[psutil.Process], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and any(_lives(process) for process in processes):
        time.sleep(0.02)


def _lives(process: psutil.Process) -> bool:
    import psutil

    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
