"""Drive local processes for the reconciler."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mlpipes_cli.adapters.processes import log_files, ports, process
from mlpipes_cli.adapters.processes.state import RunningProcess, StateFiles
from mlpipes_cli.adapters.reconcile.driver import Progress, TryAgain, startup_error
from mlpipes_cli.adapters.reconcile.service import Service
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.project import ProjectFolder

_IN_USE = ("address already in use", "is taken by")  # the messages of the system and of `mlpipes serve`
_LINES = 50
Child = subprocess.Popen[bytes]


class Program(Protocol):
    """A program that runs as a service: an HTTP service, or the database server."""

    @property
    def log(self) -> Path:
        """The log file."""

    def fingerprint(self, port: int) -> str:
        """Return a hash that changes with every setting that needs a restart."""

    def find(self, written: RunningProcess | None) -> RunningProcess | None:
        """Return the main process, recorded or not."""

    def keeps(self, found: RunningProcess) -> bool:
        """Return whether a process that runs as configured is waited for; otherwise it is replaced."""

    def begin(self, port: int) -> int:
        """Prepare the log for a start; return its size."""

    def spawn(self, port: int) -> tuple[RunningProcess, Child]:
        """Start the program on a port, without waiting for it to answer."""

    def answers(self, main: RunningProcess) -> bool:
        """Return whether the program works."""

    def silence(self) -> str:
        """Return what to report if it did not answer in time, after the service's name."""

    def end(self, main: RunningProcess | None) -> int:
        """Stop all processes; return their number."""


@dataclass(kw_only=True)
class ProcessService(Service):
    """Tracks a service that is a local process.

    Attributes:
        program: The program.
        fixed: The fixed port of the settings; None is ``auto``.
        preference: The first candidate for an automatic port.
        running: The main process, once there is one.
        child: The main process, if this call started it.
        watched: Whether this call started it or waited for it, so that it is stopped if the call fails.
        log_start: The size of the log before the start.
    """

    program: Program
    fixed: int | None
    preference: int
    running: RunningProcess | None = None
    child: Child | None = None
    watched: bool = False
    log_start: int = 0


@dataclass
class ProcessDriver:
    """Implements :class:`mlpipes_cli.adapters.reconcile.driver.Driver` for local processes.

    Attributes:
        project: The project of the processes.
        progress: Receives what happens.
        held: The reserved ports.
        files: The state files.
        running: The recorded processes, by service.
    """

    project: ProjectFolder
    progress: Progress
    held: ports.PortReservations
    files: StateFiles
    running: dict[str, RunningProcess]

    def handle_move(self) -> None:
        """Handle a project folder that was moved or copied.

        After a move, stop the processes that still run for the old path. After a copy, only remove the
        records of the original's processes.
        """
        root, old = self.project.root, self.files.root()
        if old is None or old == root:
            return
        if not (old / ".mlpipes").exists():
            alive = [found for service in self.running.values() if (found := service.identity.process())]
            members = [member for lead in alive for member in process.family(lead)]
            process.end(lambda: [member for member in members if process.running(member.pid)], patience=30.0)
        self.running.clear()

    # -- the reconciler's steps

    def observe(self, service: ProcessService) -> None:
        """Keep a service that runs as configured or is still starting; otherwise stop its processes."""
        found = service.program.find(self.running.get(service.name))
        if not found or not self._as_desired(service, found):
            self.end(service.name, service.program, found)
            service.stage, service.running, service.child = "absent", None, None
            return
        self.running[service.name] = found
        if found != service.running:
            service.running, service.child, service.port = found, None, found.port
            service.log_start = log_files.size(service.program.log)
            service.adopted()

    def _as_desired(self, service: ProcessService, found: RunningProcess) -> bool:
        return (
            found.fingerprint == service.program.fingerprint(found.port)
            and service.fixed in (None, found.port)
            and service.program.keeps(found)
        )

    def create(self, service: ProcessService) -> None:
        """See the protocol; a process needs no preparation."""

    def start(self, service: ProcessService) -> None:
        port = self.choose(service) if service.port is None else service.port
        service.port = port
        service.log_start = service.program.begin(port)
        service.watched = True
        service.running, service.child = service.program.spawn(port)
        self.running[service.name] = service.running
        self.write()

    def answers(self, service: ProcessService) -> bool:
        if service.running is None or self.has_exited(service):
            return False
        if service.program.answers(service.running):
            return True
        service.watched, service.change = True, service.change or "started"
        return False

    def has_exited(self, service: ProcessService) -> bool:
        if service.child:
            return service.child.poll() is not None
        return service.running is None or service.running.identity.process() is None

    def exited(self, service: ProcessService) -> None:
        port, adopted = service.port, service.child is None
        service.program.end(service.running)
        failure = self._failure(service, "exited while starting")
        lost = port is not None and (not ports.is_free(port) or self._in_use(service))
        self.forget(service)
        if lost:
            self._move_on(service)
        if lost or adopted:
            service.port = None
            raise TryAgain(MlpipesError(failure.reason, "run `mlpipes up` again"))
        raise failure

    def silent(self, service: ProcessService) -> None:
        raise self._failure(service, service.program.silence())

    def finish(self, service: ProcessService) -> None:
        """See the protocol; an HTTP service has nothing left to do."""

    def replan(self, services: Sequence[ProcessService]) -> None:
        for service in services:
            if service.stage != "ready":
                self.observe(service)

    def undo(self, service: ProcessService) -> None:
        if service.watched:
            service.program.end(self.running.pop(service.name, None))
            self.write()

    # -- ports, records and errors

    def choose(self, service: ProcessService) -> int:
        """Choose a port for a service, and record it at once, so that it is the same after a crash."""
        remembered = self.files.ports()
        port = ports.choose(
            service.name,
            self.held,
            wanted=service.fixed,
            remembered=remembered.get(service.name),
            preference=service.preference,
            say=self.progress.reporter.info,
        )
        self.files.write_ports(remembered | {service.name: port})
        return port

    def end(self, name: str, program: Program, found: RunningProcess | None = None) -> None:
        """Stop a service, or its remaining processes, because it does not run as configured."""
        if program.end(found or self.running.get(name)):
            self.progress.changes.append(
                f"{name}: stopped, since it was broken, no longer needed, or outdated"
            )
        if self.running.pop(name, None):
            self.write()

    def forget(self, service: ProcessService) -> None:
        """Record that a service has no process any more."""
        service.stage, service.running, service.child, service.watched = "absent", None, None, False
        self.running.pop(service.name, None)
        self.write()

    def _in_use(self, service: ProcessService) -> bool:
        """Return whether a service logged that its port was in use; the port may be free again by now."""
        output = log_files.evidence(service.program.log, service.log_start, lines=_LINES).lower()
        return any(words in output for words in _IN_USE)

    def _move_on(self, service: ProcessService) -> None:
        """Forget the remembered port, so that the next attempt chooses another; a fixed port is kept."""
        port, name = service.port or 0, service.name
        if service.fixed is not None:
            self.held.release(port)
            return
        self.progress.reporter.info(
            f"port {port} of {name} was taken by {ports.holder(port)}; trying another"
        )
        self.files.write_ports({n: p for n, p in self.files.ports().items() if n != name})

    def _failure(self, service: ProcessService, what: str) -> MlpipesError:
        return startup_error(service.name, what, log_files.evidence(service.program.log, service.log_start))

    def write(self) -> None:
        """Record the running processes."""
        self.files.write_running(self.project.root, self.running)
