"""Reconcile a stack's processes: keep those that work, stop the others, start what is missing."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from mlpipes_cli.adapters.processes import log_files, ports, process
from mlpipes_cli.adapters.processes.daemon import Daemon
from mlpipes_cli.adapters.processes.json_files import locked
from mlpipes_cli.adapters.processes.state import RunningProcess, StateFiles
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports import Reporter
from mlpipes_cli.project import ProjectFolder
from mlpipes_cli.services.probes import HttpProbe

ATTEMPTS = 5
_IN_USE = ("address already in use", "is taken by")  # the messages of the system and of `mlpipes serve`
_T = TypeVar("_T")
Child = subprocess.Popen[bytes] | None


class RetryStart(Exception):
    """Another attempt makes sense: the port was taken, an adopted service exited, or tables were upgraded."""


def with_retries(work: Callable[[], _T]) -> _T:
    """Call ``work``, up to ``ATTEMPTS`` times as long as it raises :class:`RetryStart`.

    Raises:
        MlpipesError: All attempts failed.
    """
    for _ in range(ATTEMPTS - 1):
        with contextlib.suppress(RetryStart):
            return work()
    try:
        return work()
    except RetryStart as lost:
        raise MlpipesError(str(lost), "run `mlpipes up` again") from None


@contextmanager
def stack_lock(project: ProjectFolder, reporter: Reporter) -> Iterator[None]:
    """Hold the exclusive lock of a stack, whatever its runtime; the same thread may nest it.

    Raises:
        MlpipesError: The project's folder cannot be written, or its file system does not support locks.
    """

    def waiting(holder: str) -> None:
        reporter.info(f"another mlpipes process ({holder}) is changing this stack; waiting for it to finish")

    with locked(project.state / "lock", waiting):
        yield


@dataclass
class ProcessReconciler:
    """Starts, keeps and stops processes for one call; the caller holds the stack's lock.

    Attributes:
        project: The project of the processes.
        reporter: Receives messages.
        held: The reserved ports.
        files: The state files.
        running: The recorded processes, by service.
        changes: The changes made by this call, one text each.
        note: Called with a text on the current step.
        unready: Services that this call started and that do not answer yet, with the size of
            their logs before.
    """

    project: ProjectFolder
    reporter: Reporter
    held: ports.PortReservations
    files: StateFiles
    running: dict[str, RunningProcess]
    changes: list[str] = field(default_factory=list)
    note: Callable[[str], None] = lambda text: None
    unready: dict[str, int] = field(default_factory=dict)

    # -- overridden for the core services of a stack

    def wanted_port(self, name: str) -> int | None:
        """Return the fixed port of a service, or None."""
        spec = self.files.wanted().get(name)
        return spec.preferred_port if spec and spec.fixed_port else None

    def end_all(self, name: str, running: RunningProcess | None) -> int:
        """Stop all processes of a service; return their number."""
        return marked_as(self.project, name).end(running)

    # -- public operations

    def come_up(self, daemon: Daemon, preference: int) -> RunningProcess:
        """Keep a service that runs as configured, or start it; wait until it answers.

        Raises:
            MlpipesError: The service does not start.
        """

        def attempt() -> RunningProcess:
            fixed = self.wanted_port(daemon.name)
            found = self.healthy(daemon, fixed)
            child: Child = None
            if found is None:
                found, child = self.spawn(daemon, self.choose(daemon.name, fixed, preference))
            return self.wait(daemon, found, child)

        return with_retries(attempt)

    def undo(self) -> None:
        """Stop the services that this call waited for and that do not answer yet."""
        if not self.unready:
            return
        for name in reversed(list(self.unready)):
            with contextlib.suppress(MlpipesError):
                self.end_all(name, self.running.pop(name, None))
        with contextlib.suppress(MlpipesError):
            self.write()

    def settle_move(self) -> None:
        """Handle a project folder that was moved or copied.

        After a move, stop the processes that still run for the old path. After a copy, only remove the
        records of the original's processes.
        """
        root, old = self.project.root, self.files.root()
        if old is None or old == root:
            return
        if not (old / ".mlpipes").exists():
            alive = [found for one in self.running.values() if (found := one.identity.process())]
            members = [member for one in alive for member in process.family(one)]
            process.end(lambda: [one for one in members if process.running(one.pid)], patience=30.0)
        self.running.clear()

    # -- the steps for one service

    def healthy(self, daemon: Daemon, wanted: int | None) -> RunningProcess | None:
        """Return the service if it runs as configured or is still starting; otherwise stop its processes."""
        found = daemon.find(self.running.get(daemon.name))
        if found and found.fingerprint == daemon.fingerprint(found.port) and wanted in (None, found.port):
            young = time.time() - found.identity.created < daemon.timeout
            if daemon.answers(found) or young:
                self.running[daemon.name] = found
                return found
        self.end(daemon.name, found)
        return None

    def spawn(self, daemon: Daemon, port: int) -> tuple[RunningProcess, Child]:
        """Start a service on a port."""
        log_files.begin(daemon.log, f"starting {daemon.name} on port {port}")
        before = log_files.size(daemon.log)
        running, child = daemon.spawn(port)
        self.started(daemon.name, running, before)
        return running, child

    def wait(self, daemon: Daemon, running: RunningProcess, child: Child) -> RunningProcess:
        """Wait until a service answers.

        Raises:
            RetryStart: The service exited, and another attempt makes sense.
            MlpipesError: The service exited, or does not answer in time.
        """
        if child is None and daemon.answers(running):
            return running
        self.note(f"waiting for {daemon.name}")
        self.unready.setdefault(daemon.name, log_files.size(daemon.log))
        deadline = time.monotonic() + daemon.timeout
        while time.monotonic() < deadline:
            if child.poll() is not None if child else running.identity.process() is None:
                self.gone(daemon.name, running, adopted=child is None)
            if daemon.answers(running):
                self.ready(daemon.name)
                return running
            time.sleep(0.05)
        raise self.failure(daemon.name, f"did not answer within {daemon.timeout:.0f} s")

    # -- records

    def choose(self, service: str, wanted: int | None, preference: int) -> int:
        """Choose a port for a service, and record it at once, so that it is the same after a crash."""
        remembered = self.files.ports()
        port = ports.choose(
            service,
            self.held,
            wanted=wanted,
            remembered=remembered.get(service),
            preference=preference,
            say=self.reporter.info,
        )
        self.files.write_ports(remembered | {service: port})
        return port

    def started(self, name: str, running: RunningProcess, log_size: int) -> None:
        """Record that a service was started and does not answer yet."""
        self.running[name] = running
        self.unready[name] = log_size
        self.write()

    def ready(self, name: str) -> None:
        """Record that a service answers."""
        done = "started" if self.unready.pop(name, None) is not None else "recreated"
        running = self.running[name]
        self.changes.append(f"{name}: {done} on port {running.port}")
        self.reporter.detail(f"{name} answers on port {running.port}")

    def end(self, name: str, running: RunningProcess | None = None) -> None:
        """Stop a service, or its remaining processes, because it does not run as configured."""
        if self.end_all(name, running or self.running.get(name)):
            self.changes.append(f"{name}: stopped, since it was broken, no longer needed, or outdated")
        if self.running.pop(name, None):
            self.write()

    def gone(self, name: str, running: RunningProcess, *, adopted: bool) -> None:
        """Handle a service that exited while it started.

        Raises:
            RetryStart: Another attempt makes sense.
            MlpipesError: The service failed; the message has its last log lines.
        """
        self.end_all(name, running)
        failure = self.failure(name, "exited while starting")
        lost = not ports.is_free(running.port) or self._in_use(name)
        self.unready.pop(name, None)
        self.running.pop(name, None)
        self.write()
        if lost:
            self._move_on(name, running.port)
        raise RetryStart(failure.reason) if lost or adopted else failure

    def _in_use(self, name: str) -> bool:
        """Return whether a service logged that its port was in use; the port may be free again by now."""
        said = log_files.evidence(
            log_files.path(self.project, name), self.unready.get(name, 0), lines=50
        ).lower()
        return any(words in said for words in _IN_USE)

    def _move_on(self, name: str, port: int) -> None:
        """Forget the remembered port, so that the next attempt chooses another; a fixed port is kept."""
        if self.wanted_port(name) is not None:
            self.held.release(port)
            return
        self.reporter.info(f"port {port} of {name} was taken by {ports.holder(port)}; trying another")
        self.files.write_ports({n: p for n, p in self.files.ports().items() if n != name})

    def failure(self, name: str, what: str) -> MlpipesError:
        """Return the error for a service that failed, with its last log lines."""
        said = log_files.evidence(log_files.path(self.project, name), self.unready.get(name, 0))
        reason = f"{name} {what}" + (f"; its last log lines: {said}" if said else "")
        return MlpipesError(reason, f"see `mlpipes logs {name}` and `mlpipes doctor`")

    def write(self) -> None:
        """Record the running processes."""
        self.files.write_running(self.project.root, self.running)


def marked_as(project: ProjectFolder, name: str) -> Daemon:
    """Return a daemon without a command, which can only find and stop a service's processes."""
    root = project.root
    return Daemon(name, root, (), {}, root, log_files.path(project, name), HttpProbe("GET", "/"), 0.0)
