"""Bringing the services up: keep what works, repair what does not, change only what differs."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from mlpipes_cli.adapters.embedded import foreground
from mlpipes_cli.adapters.embedded.database_server import DatabaseServer, WrongPassword
from mlpipes_cli.adapters.embedded.parts import DATABASE, MLFLOW, Parts
from mlpipes_cli.adapters.processes import logs, ports, process
from mlpipes_cli.adapters.processes.daemon import Daemon
from mlpipes_cli.adapters.processes.files import locked, unwritable
from mlpipes_cli.adapters.processes.state import Running
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports import Endpoints, Reporter, ServiceSpec

_ATTEMPTS = 5
_IN_USE = ("address already in use", "is taken by")  # the system's words, and those of `mlpipes serve`
_T = TypeVar("_T")
Child = subprocess.Popen[bytes] | None


class _Again(Exception):
    """Start over: a stranger took the port, or a service that was found half-started ended."""


def _until_done(work: Callable[[], _T]) -> _T:
    """Do it, a few times where another attempt makes sense.

    Raises:
        MlpipesError: None of them did it.
    """
    for _ in range(_ATTEMPTS - 1):
        with contextlib.suppress(_Again):
            return work()
    try:
        return work()
    except _Again as lost:
        raise MlpipesError(str(lost), "run `mlpipes up` again") from None


@contextmanager
def alone(parts: Parts, reporter: Reporter) -> Iterator[None]:
    """Be the only one at work on a stack.

    Raises:
        MlpipesError: The project's folder cannot be written or takes no lock.
    """

    def waiting(holder: str) -> None:
        reporter.info(f"another mlpipes ({holder}) is at work on this stack; waiting for it")

    with locked(parts.project.state / "lock", waiting):
        yield


@contextmanager
def work(parts: Parts, reporter: Reporter) -> Iterator[Bringing]:
    """A piece of work on the stack; a service that does not answer at an untimely end is ended."""
    with alone(parts, reporter), ports.Reservations() as held:
        bringing = Bringing(parts, reporter, held, parts.files.running())
        try:
            yield bringing
        except BaseException:
            bringing.undo()
            raise


@dataclass
class Bringing:
    """One call's work, done by one process at a time.

    Attributes:
        parts: The services.
        reporter: Where news goes.
        held: The ports that are reserved.
        running: What runs, by service, as it is written down.
        changes: What was done.
        note: Told what is waited for.
        unready: Services that this call started and that do not answer yet, with the size of
            their logs before.
    """

    parts: Parts
    reporter: Reporter
    held: ports.Reservations
    running: dict[str, Running]
    changes: list[str] = field(default_factory=list)
    note: Callable[[str], None] = lambda text: None
    unready: dict[str, int] = field(default_factory=dict)

    # -- the whole

    def everything(self) -> None:
        """The core, then the added services."""
        self._settle_move()
        _until_done(self._core)
        wanted = self.parts.files.wanted()
        process.end(lambda: foreground.strays(self.parts))
        for name in self.parts.added_names():
            if name not in wanted:
                self._end(name)
        for spec in wanted.values():
            self.added(spec)

    def added(self, spec: ServiceSpec) -> Running:
        """One added service; the core has to run.

        Raises:
            MlpipesError: It does not come up.
        """
        daemon = self.parts.added(spec, self.clients())
        fixed = self.parts.wanted_port(spec.name)

        def come_up() -> Running:
            found = self._healthy(daemon, fixed)
            child: Child = None
            if found is None:
                found, child = self._spawn(daemon, self._choose(spec.name, fixed, spec.preferred_port))
            return self._await(daemon, found, child)

        return _until_done(come_up)

    def clients(self) -> Endpoints:
        """What an added service is told."""
        return self.parts.clients(self.running[DATABASE].port, self.running[MLFLOW].port)

    def undo(self) -> None:
        """End what this call started and what does not answer yet."""
        for name in reversed(list(self.unready)):
            with contextlib.suppress(MlpipesError):
                self.parts.end(name, self.running.pop(name, None))
        with contextlib.suppress(MlpipesError):
            self._write()

    # -- the core

    def _core(self) -> None:
        """PostgreSQL and MLflow side by side: MLflow loads meanwhile and tries until it is there."""
        server = self.parts.database()
        server.warn = self.reporter.warn
        found = self._healthy_database(server)
        if found is None and not server.folder.exists():
            self._end(MLFLOW)  # what it knows is gone
        port = found.port if found else self._choose_core(DATABASE)
        daemon = self.parts.mlflow(port)
        tracking = self._healthy(daemon, self.parts.wanted_port(MLFLOW))
        tracking_child: Child = None
        if tracking is None:
            self._make_folders()
            tracking, tracking_child = self._spawn(daemon, self._choose_core(MLFLOW))
        self._await_database(server, found, port)
        self._await(daemon, tracking, tracking_child)

    def _make_folders(self) -> None:
        try:
            for folder in (self.parts.artifacts, self.parts.temporary):
                folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise unwritable(self.parts.project.state, error) from None

    def _healthy_database(self, server: DatabaseServer) -> Running | None:
        """The server if it runs as it should; else whatever is left of it is ended."""
        found = server.find()
        wanted = self.parts.wanted_port(DATABASE)
        if found and found.fingerprint == server.fingerprint(found.port) and wanted in (None, found.port):
            self.running[DATABASE] = found
            return found
        self._end(DATABASE)
        return None

    def _await_database(self, server: DatabaseServer, found: Running | None, port: int) -> None:
        if found and server.answers(port):
            return
        self.note("starting postgres")
        child: Child = None
        for _ in range(_ATTEMPTS):
            if found is None:
                before = logs.size(server.log)
                found, child = server.start(port)
                self._started(DATABASE, found, before)
            try:
                if server.wait(found, child):
                    self._ready(DATABASE)
                    return
                self._gone(DATABASE, found, adopted=child is None)
            except WrongPassword:
                self.reporter.info("the database has another password than .env; it gets the one of .env")
                server.reset_password()
            found = None
        raise MlpipesError("postgres refuses the password of .env", f"see `mlpipes logs {DATABASE}`")

    # -- any service that speaks HTTP

    def _healthy(self, daemon: Daemon, wanted: int | None) -> Running | None:
        """The service if it runs as it should, perhaps not answering yet; else its rest is ended."""
        found = daemon.find(self.running.get(daemon.name))
        if found and found.fingerprint == daemon.fingerprint(found.port) and wanted in (None, found.port):
            young = time.time() - found.identity.created < daemon.timeout
            if daemon.answers(found) or young:
                self.running[daemon.name] = found
                return found
        self._end(daemon.name, found)
        return None

    def _spawn(self, daemon: Daemon, port: int) -> tuple[Running, Child]:
        before = logs.size(daemon.log)
        running, child = daemon.spawn(port)
        self._started(daemon.name, running, before)
        return running, child

    def _await(self, daemon: Daemon, running: Running, child: Child) -> Running:
        """Wait until it answers.

        Raises:
            MlpipesError: It ended, or does not answer in time.
        """
        if child is None and daemon.answers(running):
            return running
        self.note(f"waiting for {daemon.name}")
        self.unready.setdefault(daemon.name, logs.size(daemon.log))
        deadline = time.monotonic() + daemon.timeout
        while time.monotonic() < deadline:
            if child.poll() is not None if child else running.identity.process() is None:
                self._gone(daemon.name, running, adopted=child is None)
            if daemon.answers(running):
                self._ready(daemon.name)
                return running
            time.sleep(0.05)
        raise self._failure(daemon.name, f"did not answer within {daemon.timeout:.0f} s")

    # -- book-keeping

    def _choose_core(self, service: str) -> int:
        return self._choose(service, self.parts.wanted_port(service), ports.preferred(service))

    def _choose(self, service: str, wanted: int | None, preference: int) -> int:
        """A port for a service, remembered at once so that it is the same after any accident."""
        remembered = self.parts.files.ports()
        port = ports.choose(
            service,
            self.held,
            wanted=wanted,
            remembered=remembered.get(service),
            preference=preference,
            say=self.reporter.info,
        )
        self.parts.files.write_ports(remembered | {service: port})
        return port

    def _started(self, name: str, running: Running, log_size: int) -> None:
        self.running[name] = running
        self.unready[name] = log_size
        self._write()

    def _ready(self, name: str) -> None:
        done = "started" if self.unready.pop(name, None) is not None else "set up again"
        running = self.running[name]
        self.changes.append(f"{name}: {done} on port {running.port}")
        self.reporter.detail(f"{name} answers on port {running.port}")

    def _end(self, name: str, running: Running | None = None) -> None:
        """End a service, or what is left of it, because it is not as it should be."""
        if self.parts.end(name, running or self.running.get(name)):
            self.changes.append(
                f"{name}: ended, since it was broken, not wanted, or differs from the settings"
            )
        if self.running.pop(name, None):
            self._write()

    def _gone(self, name: str, running: Running, *, adopted: bool) -> None:
        """A service ended while it was waited for.

        Raises:
            _Again: Another attempt makes sense.
            MlpipesError: It failed, with its last words.
        """
        self.parts.end(name, running)
        failure = self._failure(name, "ended while it started")
        lost = not ports.is_free(running.port) or self._in_use(name)
        self.unready.pop(name, None)
        self.running.pop(name, None)
        self._write()
        if lost:
            self._move_on(name, running.port)
        raise _Again(failure.reason) if lost or adopted else failure

    def _in_use(self, name: str) -> bool:
        """Whether a service said that somebody had its port, who may have left it again by now."""
        said = logs.evidence(self.parts.log(name), self.unready.get(name, 0), lines=50).lower()
        return any(words in said for words in _IN_USE)

    def _move_on(self, name: str, port: int) -> None:
        """Have another port chosen for the next attempt; a fixed one is asked for again."""
        if self.parts.wanted_port(name) is not None:
            self.held.release(port)
            return
        self.reporter.info(f"port {port} of {name} was taken by {ports.holder(port)}; trying another")
        self.parts.files.write_ports({n: p for n, p in self.parts.files.ports().items() if n != name})

    def _failure(self, name: str, what: str) -> MlpipesError:
        said = logs.evidence(self.parts.log(name), self.unready.get(name, 0))
        reason = f"{name} {what}" + (f"; its last words: {said}" if said else "")
        return MlpipesError(reason, f"see `mlpipes logs {name}` and `mlpipes doctor`")

    def _write(self) -> None:
        self.parts.files.write_running(self.parts.project.root, self.running)

    def _settle_move(self) -> None:
        """Of a moved folder, end what still runs for the old place; of a copied one, forget it."""
        root, old = self.parts.project.root, self.parts.files.root()
        if old is None or old == root:
            return
        if not (old / ".mlpipes").exists():
            alive = [found for one in self.running.values() if (found := one.identity.process())]
            members = [member for one in alive for member in process.family(one)]
            process.end(lambda: [one for one in members if process.running(one.pid)], patience=30.0)
        self.running.clear()
