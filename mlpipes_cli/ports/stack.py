"""A stack and its runtime. Times are seconds, sizes are bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Literal, Protocol

from mlpipes_cli.ports.reporter import Reporter
from mlpipes_cli.ports.storage import Storage
from mlpipes_cli.tabular import Tabular

State = Literal["running", "starting", "stopped", "failed"]
Health = Literal["healthy", "starting", "unhealthy", "none"]
# Variables of `mlpipes env`, by which clients find the services.
TRACKING_URI, DATABASE_URL, API_URL = "MLFLOW_TRACKING_URI", "MLPIPES_DATABASE_URL", "MLPIPES_API_URL"


@dataclass(frozen=True)
class ServiceStatus:
    """The state of a service.

    Attributes:
        name: As in ``compose.yaml``: postgres, mlflow, api, ...
        state: ``running`` only if it answered a query just now.
        url: The address for clients, without secrets; None while the service is not running.
        port: The TCP port on 127.0.0.1, or None.
        pid: The main process on this machine, or None (as for a container of another machine).
        uptime: Seconds since it was started.
        memory: Resident bytes of the service and its child processes.
        detail: One line for users: why it failed, what it serves.
        health: healthy if it answered a query just now, starting, unhealthy, or none if it is stopped.
        image: The container's image as ``compose.yaml`` names it; empty if there is no container.
        image_id: The id of the image that the container was made from, ``sha256:…``; empty if there is no
            container.
        ports: Published ports, as ``address:port->port/tcp``; for a process just the port.
    """

    name: str
    state: State
    url: str | None = None
    port: int | None = None
    pid: int | None = None
    uptime: float | None = None
    memory: int | None = None
    detail: str = ""
    health: Health = "none"
    image: str = ""
    image_id: str = ""
    ports: tuple[str, ...] = ()


@dataclass(frozen=True)
class StackStatus(Tabular):
    """All services of a project's stack.

    Attributes:
        runtime: embedded, docker or remote.
        reason: Why that runtime was chosen.
        services: One entry for each service.
        changes: Changes of the last ``up``, one per line; empty if nothing had to be changed.
    """

    runtime: str
    reason: str
    services: tuple[ServiceStatus, ...]
    changes: tuple[str, ...] = ()

    def table(self) -> Sequence[ServiceStatus]:
        return self.services

    def running(self, name: str) -> ServiceStatus | None:
        """Return the service of that name if it is running, or None."""
        return next((s for s in self.services if s.name == name and s.state == "running"), None)


@dataclass(frozen=True)
class Halted:
    """A single service that was stopped.

    Attributes:
        service: The service's state now.
        changed: Whether it ran before.
        dependents: Names of the running services that depend on it.
    """

    service: ServiceStatus
    changed: bool
    dependents: tuple[str, ...] = ()


@dataclass(frozen=True)
class Endpoints:
    """Addresses and credentials for clients of a running stack.

    Attributes:
        tracking_uri: MLflow's ``http://`` address.
        database_url: ``postgresql://user:password@host:port/mlpipes``; contains a secret.
        reader_url: The same for a read-only account, for users' queries; None if ``up`` has not created the
            account yet. For an external database it is ``database_url``.
        extra: Further environment variables for clients; one may be a password.
    """

    tracking_uri: str
    database_url: str = field(repr=False)
    extra: Mapping[str, str] = field(default_factory=dict, repr=False)
    reader_url: str | None = field(default=None, repr=False)

    @property
    def login(self) -> dict[str, str]:
        """The client's environment variables that authenticate it to MLflow."""
        return {name: value for name, value in self.extra.items() if name.startswith("MLFLOW_TRACKING_")}

    def environment(self) -> dict[str, str]:
        """Return the environment variables for a client."""
        return {
            TRACKING_URI: self.tracking_uri,
            DATABASE_URL: self.database_url,
            **self.extra,
        }


@dataclass(frozen=True)
class Check:
    """A line of ``doctor``.

    Attributes:
        name: What was checked.
        level: ok, warning or fault.
        found: The result.
        fix: How to fix it; empty if ok.
    """

    name: str
    level: Literal["ok", "warning", "fault"]
    found: str
    fix: str = ""


@dataclass(frozen=True)
class ServiceSpec:
    """A process of mlpipes that runs as a service of the stack (the prediction API).

    Attributes:
        name: The service's name.
        command: The program and its arguments, without secrets, since it is stored. ``{port}`` in an argument
            is replaced by the chosen port.
        preferred_port: Used if free; otherwise the next free one, or an error if ``fixed_port`` is true.
        fixed_port: Whether the user requested exactly this port.
        ready_path: Returns 200 over HTTP when the service is ready.
        timeout: Seconds to wait until it is ready.
        container: The service of the Compose file that does the same; empty if there is none. A runtime of
            containers starts that service instead of ``command``.
        settings: The service's section of mlpipes.yaml at its start, combined with the command line's
            options; no secrets. If it differs, the service is started again.
    """

    name: str
    command: tuple[str, ...]
    preferred_port: int
    fixed_port: bool
    ready_path: str
    timeout: float = 90.0
    container: str = ""
    settings: str = ""


class Runtime(Protocol):
    """A way to run the stack.

    The stack belongs to a project's folder: the stacks of two projects never share anything or affect each
    other. ``up`` may be called at any time, by several processes at once, and after any crash; it repairs
    what is broken, changes only what differs, and keeps data. Services that ``up`` started continue to run
    when this process and its terminal end.
    """

    @property
    def name(self) -> str:
        """embedded, docker or remote."""

    def up(self, reporter: Reporter, versions: Mapping[str, str] | None = None) -> StackStatus:
        """Start or repair all services (including those added by ``start``) and wait until each answers.

        Args:
            reporter: Receives messages.
            versions: An earlier result of ``versions`` to go back to; None uses the versions of this release.

        Raises:
            MlpipesError: A service did not start: its last log lines and a hint; the other services keep
                running.
        """

    def down(self, reporter: Reporter, *, volumes: bool = False) -> Sequence[str]:
        """Stop all services, with ``volumes`` remove their data; return the names of the stopped services."""

    def restart(self, service: str, reporter: Reporter) -> ServiceStatus:
        """Stop and start one service, whichever state it is in, and wait until it answers.

        Raises:
            UsageError: There is no such service.
            MlpipesError: The service did not start.
        """

    def halt(self, service: str, reporter: Reporter) -> Halted:
        """Stop one service until ``resume`` or ``up``; it stays part of the stack and keeps its data.

        Raises:
            UsageError: There is no such service, or mlpipes does not manage it.
            MlpipesError: The service cannot be stopped.
        """

    def resume(self, service: str, reporter: Reporter) -> ServiceStatus:
        """Start one service and those of its dependencies that do not run, and wait until it answers.

        Raises:
            UsageError: There is no such service, or mlpipes does not manage it.
            MlpipesError: There is no stack yet, or the service does not start.
        """

    def shell(self, service: str, command: Sequence[str]) -> int:
        """Run a program in a service's container, with this process's input and output.

        Args:
            service: The service of the container.
            command: The program and its arguments; if empty, a shell.

        Returns:
            The program's exit code.

        Raises:
            UsageError: There is no such service, or it has no container.
            MlpipesError: The container does not run, or the program cannot be started.
        """

    def status(self) -> StackStatus:
        """Return the present state of the stack; changes nothing."""

    def versions(self) -> Mapping[str, str]:
        """Return the version (an image's id, a program's version) of each service with data, by service."""

    def release(self, reporter: Reporter) -> Mapping[str, str]:
        """Return the versions that ``up`` would run, as ``versions`` does, after fetching all of them.

        Raises:
            MlpipesError: A version is not available, or the machine that runs the stack cannot be reached.
        """

    def forget(self, reporter: Reporter) -> Sequence[str]:
        """Stop all services and remove their data, but nothing of the project's stack on another runtime.

        Returns:
            Descriptions of what was removed.
        """

    def logs(
        self, service: str, *, follow: bool = False, tail: int | None = None, since: float | None = None
    ) -> Iterator[str]:
        """Yield the service's log lines without line ends, oldest first.

        Args:
            service: The service's name.
            follow: Continue with new lines until the caller stops.
            tail: Only the last lines, at most this many.
            since: Only lines written after this time, in seconds since the epoch.

        Raises:
            UsageError: There is no such service, or its log has no timestamps.
        """

    def doctor(self) -> Sequence[Check]:
        """Check everything that could be wrong; changes nothing."""

    def endpoints(self) -> Endpoints:
        """Return the endpoints of the running stack.

        Raises:
            MlpipesError: The stack is not running.
        """

    def own_database(self, name: str, password: str) -> str:
        """Return the address of a service's own database in the project's PostgreSQL; make what is missing.

        Args:
            name: The service: also the name of the role and the database where the role is ours to make.
            password: The role's.

        Raises:
            MlpipesError: The database server does not run, or does not let us make a database.
        """

    def storage(self) -> Storage:
        """Return the running stack's storage, so that the caller can copy or replace all of its data.

        Raises:
            MlpipesError: The stack is not running, or its storage cannot be reached from here.
        """

    def paused(self, reporter: Reporter, *, again: bool = True) -> AbstractContextManager[None]:
        """Stop all services that write, for as long as the context lasts; only the storage runs.

        At the end the services that ran are started again, also after an error, unless ``down`` was called
        meanwhile or ``again`` is false. Inside the context, methods of this and of other runtimes of the
        project may be called.
        """

    def start(self, spec: ServiceSpec, reporter: Reporter) -> ServiceStatus:
        """Start a process of mlpipes as a service (restart it if it differs), and record it for ``up``.

        Raises:
            MlpipesError: The service did not start; its last log lines and a hint.
        """

    def stop(self, service: str, reporter: Reporter) -> bool:
        """Stop a service that ``start`` added, and remove its record; return False if there was none."""
