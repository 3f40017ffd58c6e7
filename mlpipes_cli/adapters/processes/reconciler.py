"""Bringing processes up: keep what works, end what does not, change only what differs."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from mlpipes_cli.adapters.processes import log_files, ports, process
from mlpipes_cli.adapters.processes.daemon import Daemon, HttpProbe
from mlpipes_cli.adapters.processes.json_files import locked
from mlpipes_cli.adapters.processes.state import RunningProcess, StateFiles
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports import Reporter
from mlpipes_cli.project import ProjectFolder

ATTEMPTS = 5
_IN_USE = ("address already in use", "is taken by")  # the system's words, and those of `mlpipes serve`
_T = TypeVar("_T")
Child = subprocess.Popen[bytes] | None


class RetryStart(Exception):
    """Start over: a stranger took the port, or a service that was found half-started ended."""


def with_retries(work: Callable[[], _T]) -> _T:
    """Do it, a few times where another attempt makes sense.

    Raises:
        MlpipesError: None of them did it.
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
    """Be the only one at work on a stack, whatever its runtime; may be nested.

    Raises:
        MlpipesError: The project's folder cannot be written or takes no lock.
    """

    def waiting(holder: str) -> None:
        reporter.info(f"another mlpipes process ({holder}) is changing this stack; waiting for it to finish")

    with locked(project.state / "lock", waiting):
        yield


@dataclass
class ProcessReconciler:
    """One call's work, done by one process at a time: the caller holds the lock.

    Attributes:
        project: Whose processes.
        reporter: Where news goes.
        held: The ports that are reserved.
        files: What is written down.
        running: What runs, by service, as it is written down.
        changes: What was done.
        note: Told what is waited for.
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

    # -- what differs between the core of a stack and what was added to it

    def wanted_port(self, name: str) -> int | None:
        """The port that was fixed, or None."""
        spec = self.files.wanted().get(name)
        return spec.preferred_port if spec and spec.fixed_port else None

    def end_all(self, name: str, running: RunningProcess | None) -> int:
        """End all processes of a service; returns how many there were."""
        return marked_as(self.project, name).end(running)

    # -- the whole

    def come_up(self, daemon: Daemon, preference: int) -> RunningProcess:
        """A service that runs as it should and answers.

        Raises:
            MlpipesError: It does not come up.
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
        """End what this call started and what does not answer yet."""
        if not self.unready:
            return
        for name in reversed(list(self.unready)):
            with contextlib.suppress(MlpipesError):
                self.end_all(name, self.running.pop(name, None))
        with contextlib.suppress(MlpipesError):
            self.write()

    def settle_move(self) -> None:
        """Of a moved folder, end what still runs for the old place; of a copied one, forget it."""
        root, old = self.project.root, self.files.root()
        if old is None or old == root:
            return
        if not (old / ".mlpipes").exists():
            alive = [found for one in self.running.values() if (found := one.identity.process())]
            members = [member for one in alive for member in process.family(one)]
            process.end(lambda: [one for one in members if process.running(one.pid)], patience=30.0)
        self.running.clear()

    # -- one service, step by step

    def healthy(self, daemon: Daemon, wanted: int | None) -> RunningProcess | None:
        """The service if it runs as it should, perhaps not answering yet; else its rest is ended."""
        found = daemon.find(self.running.get(daemon.name))
        if found and found.fingerprint == daemon.fingerprint(found.port) and wanted in (None, found.port):
            young = time.time() - found.identity.created < daemon.timeout
            if daemon.answers(found) or young:
                self.running[daemon.name] = found
                return found
        self.end(daemon.name, found)
        return None

    def spawn(self, daemon: Daemon, port: int) -> tuple[RunningProcess, Child]:
        """Start it on a port."""
        log_files.begin(daemon.log, f"starting {daemon.name} on port {port}")
        before = log_files.size(daemon.log)
        running, child = daemon.spawn(port)
        self.started(daemon.name, running, before)
        return running, child

    def wait(self, daemon: Daemon, running: RunningProcess, child: Child) -> RunningProcess:
        """Wait until it answers.

        Raises:
            MlpipesError: It ended, or does not answer in time.
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

    # -- book-keeping

    def choose(self, service: str, wanted: int | None, preference: int) -> int:
        """A port for a service, remembered at once so that it is the same after any accident."""
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
        """It was started and does not answer yet."""
        self.running[name] = running
        self.unready[name] = log_size
        self.write()

    def ready(self, name: str) -> None:
        """It answers."""
        done = "started" if self.unready.pop(name, None) is not None else "recreated"
        running = self.running[name]
        self.changes.append(f"{name}: {done} on port {running.port}")
        self.reporter.detail(f"{name} answers on port {running.port}")

    def end(self, name: str, running: RunningProcess | None = None) -> None:
        """End a service, or what is left of it, because it is not as it should be."""
        if self.end_all(name, running or self.running.get(name)):
            self.changes.append(f"{name}: stopped, since it was broken, no longer needed, or outdated")
        if self.running.pop(name, None):
            self.write()

    def gone(self, name: str, running: RunningProcess, *, adopted: bool) -> None:
        """A service ended while it was waited for.

        Raises:
            Again: Another attempt makes sense.
            MlpipesError: It failed, with its last words.
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
        """Whether a service said that somebody had its port, who may have left it again by now."""
        said = log_files.evidence(
            log_files.path(self.project, name), self.unready.get(name, 0), lines=50
        ).lower()
        return any(words in said for words in _IN_USE)

    def _move_on(self, name: str, port: int) -> None:
        """Have another port chosen for the next attempt; a fixed one is asked for again."""
        if self.wanted_port(name) is not None:
            self.held.release(port)
            return
        self.reporter.info(f"port {port} of {name} was taken by {ports.holder(port)}; trying another")
        self.files.write_ports({n: p for n, p in self.files.ports().items() if n != name})

    def failure(self, name: str, what: str) -> MlpipesError:
        """What to tell, with the service's last words."""
        said = log_files.evidence(log_files.path(self.project, name), self.unready.get(name, 0))
        reason = f"{name} {what}" + (f"; its last log lines: {said}" if said else "")
        return MlpipesError(reason, f"see `mlpipes logs {name}` and `mlpipes doctor`")

    def write(self) -> None:
        """Write down what runs."""
        self.files.write_running(self.project.root, self.running)


def marked_as(project: ProjectFolder, name: str) -> Daemon:
    """Enough of a service to find and end its processes."""
    root = project.root
    return Daemon(name, root, (), {}, root, log_files.path(project, name), HttpProbe("GET", "/"), 0.0)
