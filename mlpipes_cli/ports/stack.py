"""A stack and what runs it. Times are seconds, sizes are bytes."""

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


@dataclass(frozen=True)
class ServiceStatus:
    """What is known of a service.

    Attributes:
        name: As in ``compose.yaml``: postgres, mlflow, api, ...
        state: ``running`` only if it answered a query just now.
        url: Where clients reach it, without secrets; None while it is not running.
        port: The TCP port on 127.0.0.1, or None.
        pid: The main process on this machine, or None (as for a container of another machine).
        uptime: Seconds since it was started.
        memory: Resident bytes of it and its children.
        detail: One line for a person: why it failed, what it serves.
        health: healthy if it answered a query just now, starting, unhealthy, or none where it is stopped.
        image: The container's image as ``compose.yaml`` names it; empty where there is no container.
        image_id: The id of the very image that the container was made from, ``sha256:…``; empty where there
            is no container.
        ports: What is published, as ``address:port->port/tcp``; the plain port where it is a process.
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
        reason: Why that runtime was taken.
        services: One each.
        changes: What the last ``up`` did, a line each; empty when nothing had to be done.
    """

    runtime: str
    reason: str
    services: tuple[ServiceStatus, ...]
    changes: tuple[str, ...] = ()

    def table(self) -> Sequence[ServiceStatus]:
        return self.services

    def running(self, name: str) -> ServiceStatus | None:
        """The service of that name if it is running."""
        return next((s for s in self.services if s.name == name and s.state == "running"), None)


@dataclass(frozen=True)
class Halted:
    """A service that was stopped by itself.

    Attributes:
        service: What is known of it now.
        changed: Whether it ran before.
        dependents: The services that run and need it, by name.
    """

    service: ServiceStatus
    changed: bool
    dependents: tuple[str, ...] = ()


@dataclass(frozen=True)
class Endpoints:
    """What clients of a running stack need.

    Attributes:
        tracking_uri: MLflow's ``http://`` address.
        database_url: ``postgresql://user:password@host:port/mlpipes``; it holds a secret.
        reader_url: The same as somebody who can only read, for users' queries; None where ``up`` has made
            nobody yet. Of a database that others keep it is ``database_url``.
        extra: Further environment variables that clients should have; one may be a password.
    """

    tracking_uri: str
    database_url: str = field(repr=False)
    extra: Mapping[str, str] = field(default_factory=dict, repr=False)
    reader_url: str | None = field(default=None, repr=False)

    @property
    def login(self) -> dict[str, str]:
        """Of the variables for a client, those by which MLflow knows who asks."""
        return {name: value for name, value in self.extra.items() if name.startswith("MLFLOW_TRACKING_")}

    def environment(self) -> dict[str, str]:
        """The environment variables for a client."""
        return {
            "MLFLOW_TRACKING_URI": self.tracking_uri,
            "MLPIPES_DATABASE_URL": self.database_url,
            **self.extra,
        }


@dataclass(frozen=True)
class Check:
    """A line of ``doctor``.

    Attributes:
        name: What was looked at.
        level: ok, warning or fault.
        found: What was found.
        fix: What to do about it; empty when ok.
    """

    name: str
    level: Literal["ok", "warning", "fault"]
    found: str
    fix: str = ""


@dataclass(frozen=True)
class ServiceSpec:
    """A process of ours that runs as a service of the stack (the prediction API).

    Attributes:
        name: The service's name.
        command: The program and its arguments; it holds no secret, since it is remembered.
            ``{port}`` in an argument becomes the chosen port.
        preferred_port: Taken if free, else the next free one (``fixed_port`` False), or an error.
        fixed_port: The user asked for exactly this port.
        ready_path: Answers 200 over HTTP when the service can do its work.
        timeout: Seconds to wait for that.
        container: The service of the Compose file that does the same; empty where there is none. A
            runtime of containers starts that one in place of ``command``.
        settings: Of mlpipes.yaml, the section that the service goes by, as it was when it was started,
            and with what the command line said; no secrets. What differs starts it again.
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

    The stack belongs to a project's folder: two projects never share or disturb each other's.
    ``up`` may be called at any time, by several processes at once, and after any crash; it
    repairs what is broken, changes only what differs, and keeps data. What ``up`` started lives on
    when this process and its terminal end.
    """

    @property
    def name(self) -> str:
        """embedded, docker or remote."""

    def up(self, reporter: Reporter, versions: Mapping[str, str] | None = None) -> StackStatus:
        """Start or repair all services (those added by ``start`` too) and wait until each answers.

        Args:
            reporter: Where news goes.
            versions: What ``versions`` gave once, to go back to; None is what this release brings.

        Raises:
            MlpipesError: A service did not come up: its last log lines and a hint; the others stay.
        """

    def down(self, reporter: Reporter, *, volumes: bool = False) -> Sequence[str]:
        """Stop everything; with ``volumes`` remove the data too. Returns the names that were stopped."""

    def restart(self, service: str, reporter: Reporter) -> ServiceStatus:
        """Stop and start one service, whatever state it is in, and wait until it answers.

        Raises:
            UsageError: There is no such service.
            MlpipesError: It did not come up.
        """

    def halt(self, service: str, reporter: Reporter) -> Halted:
        """Stop one service until ``resume`` or ``up``; it is still wanted, and its data stays.

        Raises:
            UsageError: There is no such service, or it is not ours to stop.
            MlpipesError: It cannot be ended.
        """

    def resume(self, service: str, reporter: Reporter) -> ServiceStatus:
        """Start one service and what it needs, as far as they do not run, and wait until it answers.

        Raises:
            UsageError: There is no such service, or it is not ours to start.
            MlpipesError: There is no stack yet, or the service does not come up.
        """

    def shell(self, service: str, command: Sequence[str]) -> int:
        """Run a program inside of a service's container, on this process's input and output.

        Args:
            service: Whose container.
            command: The program and its arguments; a shell where it is empty.

        Returns:
            The program's exit code.

        Raises:
            UsageError: There is no such service, or it is no container.
            MlpipesError: It does not run, or the program cannot be started.
        """

    def status(self) -> StackStatus:
        """What there is right now; changes nothing."""

    def versions(self) -> Mapping[str, str]:
        """What each service that has data runs on (an image's id, a program's version), by service."""

    def release(self, reporter: Reporter) -> Mapping[str, str]:
        """What ``up`` would run each service on, as ``versions`` has it; all of it is here afterwards.

        Raises:
            MlpipesError: Something of it cannot be had, or the place where the stack runs cannot be reached.
        """

    def forget(self, reporter: Reporter) -> Sequence[str]:
        """End everything and remove its data, but nothing of a stack of another runtime in the same project.

        Returns:
            What was removed, in words.
        """

    def logs(
        self, service: str, *, follow: bool = False, tail: int | None = None, since: float | None = None
    ) -> Iterator[str]:
        """The service's log lines without line ends, oldest first.

        Args:
            service: Whose.
            follow: Go on until nobody asks any more.
            tail: The last so many of them.
            since: Only what was written later than this, in seconds since the epoch.

        Raises:
            UsageError: There is no such service, or it keeps no times.
        """

    def doctor(self) -> Sequence[Check]:
        """Look at everything that could be wrong; changes nothing."""

    def endpoints(self) -> Endpoints:
        """Where the running stack answers.

        Raises:
            MlpipesError: It is not running.
        """

    def storage(self) -> Storage:
        """What the running stack keeps, for whoever copies or replaces all of it.

        Raises:
            MlpipesError: It is not running, or its storage cannot be reached from here.
        """

    def paused(self, reporter: Reporter, *, again: bool = True) -> AbstractContextManager[None]:
        """As long as the context lasts, nothing of the stack writes: its storage runs, all else is stopped.

        At the end what ran is started again, also after an error, unless ``down`` was called meanwhile
        or ``again`` is false. Inside, the methods of this and of other runtimes of the project may be called.
        """

    def start(self, spec: ServiceSpec, reporter: Reporter) -> ServiceStatus:
        """Start a process of ours as a service (again if it differs), and remember it for ``up``.

        Raises:
            MlpipesError: It did not come up; its last log lines and a hint.
        """

    def stop(self, service: str, reporter: Reporter) -> bool:
        """Stop and forget a service that ``start`` added; False if there was none."""
