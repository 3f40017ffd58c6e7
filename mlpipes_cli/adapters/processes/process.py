"""Start, identify, find and stop processes that outlive this one.

A process is identified by its pid together with its creation time, so that a reused pid is never
mistaken for a process of the stack. Each process also carries environment variables that name its
project and service, by which it is found if the state files are lost.
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

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.local_files import private_files

if TYPE_CHECKING:
    import psutil

PROJECT_MARK, SERVICE_MARK = "MLPIPES_PROJECT", "MLPIPES_SERVICE"
PORT_MARK, PRINT_MARK = "MLPIPES_SERVICE_PORT", "MLPIPES_SERVICE_FINGERPRINT"
FOREGROUND = "serve"  # the service name of `mlpipes serve` in the foreground
_CLOCK_TOLERANCE = 2.0  # the system derives creation times from a clock that may be corrected


@dataclass(frozen=True)
class ProcessIdentity:
    """Identifies a process, even if its pid is reused later.

    Attributes:
        pid: The process ID.
        created: The creation time, in seconds since the epoch.
    """

    pid: int
    created: float

    def process(self) -> psutil.Process | None:
        """Return the process if it still runs; a zombie does not count as running."""
        found = running(self.pid)
        if found is None or abs(found.create_time() - self.created) > _CLOCK_TOLERANCE:
            return None
        return found


def running(pid: int) -> psutil.Process | None:
    """Return the process with that pid, or None if it has exited or is a zombie."""
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process
    except psutil.Error:
        return None


def identify(pid: int) -> ProcessIdentity | None:
    """Return the identity of a process, or None if it does not exist."""
    import psutil

    try:
        return ProcessIdentity(pid, psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def spawn(
    command: Sequence[str], *, environment: Mapping[str, str], folder: Path, log: Path
) -> subprocess.Popen[bytes]:
    """Start a program in a new session without a terminal, and append its output to ``log``.

    Raises:
        MlpipesError: The program cannot be started, or the log cannot be written.
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
    """Return the environment of a process; empty if it cannot be read."""
    import psutil

    try:
        return process.environ()
    except (psutil.Error, OSError, ValueError):
        return {}


def foreground_marks(project: Path) -> dict[str, str]:
    """Return the environment variables that mark the processes of a foreground server."""
    return {PROJECT_MARK: str(project), SERVICE_MARK: FOREGROUND}


def everyone() -> Iterator[psutil.Process]:
    """Yield all running processes except this one and its ancestors."""
    import psutil

    with contextlib.suppress(psutil.Error):
        spared = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
        for process in psutil.process_iter():
            if process.pid not in spared and running(process.pid):
                yield process


def marked(project: Path, service: str) -> list[psutil.Process]:
    """Return the processes whose environment names the project and service, including orphaned children."""
    wanted = (str(project), service)

    def is_ours(process: psutil.Process) -> bool:
        found = marks(process)
        return (found.get(PROJECT_MARK), found.get(SERVICE_MARK)) == wanted

    return [process for process in everyone() if is_ours(process)]


def services(project: Path) -> set[str]:
    """Return the service names in the environments of a project's processes."""
    found = (marks(process) for process in everyone())
    return {
        marks_of[SERVICE_MARK]
        for marks_of in found
        if marks_of.get(PROJECT_MARK) == str(project) and SERVICE_MARK in marks_of
    }


def leader(processes: Iterable[psutil.Process]) -> psutil.Process | None:
    """Return the process that leads its session, or None."""
    for process in processes:
        with contextlib.suppress(OSError):
            if os.getsid(process.pid) == process.pid:
                return process
    return None


def command_line(process: psutil.Process) -> list[str]:
    """Return a process's command line; empty if it has exited."""
    import psutil

    try:
        return process.cmdline()
    except (psutil.Error, OSError):
        return []


def family(process: psutil.Process) -> list[psutil.Process]:
    """Return a process and all its descendants."""
    import psutil

    try:
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return [process]


def memory(processes: Iterable[psutil.Process]) -> int:
    """Return the resident memory of all processes together, in bytes."""
    import psutil

    total = 0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            total += process.memory_info().rss
    return total


def listen(processes: Iterable[psutil.Process], port: int) -> bool:
    """Return whether a process listens on a TCP port; also True if access to its sockets is denied."""
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
    """Stop all processes that ``find`` returns, and return their number.

    They get the signal ``polite`` first, and SIGKILL after ``patience`` seconds.

    Raises:
        MlpipesError: A process cannot be stopped.
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
