"""Run the stack as containers of a Docker engine, on this or another machine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlpipes_cli.adapters.docker.containers import logs, manual_stop, shutdown
from mlpipes_cli.adapters.docker.stack import addresses, extra_services
from mlpipes_cli.adapters.docker.stack.desired_state import DesiredState
from mlpipes_cli.adapters.docker.stack.identity import StackIdentity
from mlpipes_cli.adapters.docker.stack.operations import StackOperations
from mlpipes_cli.adapters.docker.stack.port_allocator import PortAllocator
from mlpipes_cli.adapters.docker.stack.resources import Container
from mlpipes_cli.adapters.docker.stack.settings import core
from mlpipes_cli.adapters.docker.stack.stack import DockerStack
from mlpipes_cli.adapters.docker.stack.status import read_status, unknown
from mlpipes_cli.adapters.postgres import roles
from mlpipes_cli.adapters.processes.json_files import clear_folder
from mlpipes_cli.adapters.processes.ports import PortReservations
from mlpipes_cli.adapters.processes.stack_lock import stack_lock
from mlpipes_cli.adapters.processes.state import StateFiles
from mlpipes_cli.adapters.reconcile.driver import Progress
from mlpipes_cli.compose import override
from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.local_files import env_file
from mlpipes_cli.ports import (
    Check,
    Endpoints,
    Halted,
    Reporter,
    ServiceSpec,
    ServiceStatus,
    StackStatus,
    Storage,
)
from mlpipes_cli.project import ProjectFolder
from mlpipes_cli.services import catalog
from mlpipes_cli.services.catalog import API, DATABASE, MLFLOW

if TYPE_CHECKING:
    from mlpipes_cli.adapters.docker.engine.connection import DockerEngine
    from mlpipes_cli.adapters.processes.local_services import LocalServices

_UP = "start it with `mlpipes up`"


@dataclass(frozen=True)
class DockerRuntime:
    """Implements :class:`mlpipes_cli.ports.Runtime`.

    Attributes:
        project: The project of the stack.
        reason: Why this runtime was chosen.
        services: The services beside the core that ``up`` starts.
        auth: Whether MLflow requires authentication.
        name: ``docker``.
    """

    project: ProjectFolder
    reason: str
    services: tuple[str, ...] = ()
    auth: bool = False
    name: str = "docker"

    # -- helpers

    @property
    def _extra(self) -> tuple[str, ...]:
        """The containers beside the core."""
        own = override.names(self.project.root)
        return tuple(dict.fromkeys((*self.services, *extra_services.containers(self.project), *own)))

    @property
    def _names(self) -> list[str]:
        return [*core(self.project.config), *self._extra]

    @property
    def _local(self) -> LocalServices:
        from mlpipes_cli.adapters.processes.local_services import LocalServices

        return LocalServices(self.project, self._clients, elsewhere=extra_services.containers(self.project))

    def _engine(self) -> DockerEngine:
        from mlpipes_cli.adapters.docker.engine.connection import connect

        return connect()

    def _stack(self, engine: DockerEngine | None = None) -> DockerStack | None:
        """Return the stack, or None if there never was one."""
        engine = engine or self._engine()
        marks = StackIdentity(self.project).known(engine)
        secrets = env_file.read(self.project.env_file)
        return (
            DockerStack(extra_services.as_started(self.project), engine, marks, secrets, self.auth)
            if marks
            else None
        )

    def _running(self, *names: str) -> tuple[DockerStack, dict[str, Container]]:
        """Return the stack and its containers; the services ``names`` have to run."""
        stack = self._stack()
        found = stack.resources.containers() if stack else {}
        alive = {
            name: container
            for name, container in found.items()
            if container.state == "running" and container.ports
        }
        missing = [name for name in names if name not in alive]
        if stack is None or missing:
            gone = "the stack is" if missing == list(names) else f"{', '.join(missing)} is"
            raise MlpipesError(f"{gone} not running", _UP)
        return stack, alive

    @contextmanager
    def _work(self, reporter: Reporter) -> Iterator[StackOperations]:
        """Yield the operations of the stack, which is created if there is none; the caller holds the lock."""
        engine = self._engine()
        addresses.host(engine, self.project.config.stack.listen)  # before anything is written
        secrets = env_file.read(self.project.env_file)
        marks = StackIdentity(self.project).settle(engine, reporter)
        stack = DockerStack(extra_services.as_started(self.project), engine, marks, secrets, self.auth)
        files = StateFiles(self.project.state)
        with PortReservations() as held, reporter.task("starting the stack") as task:
            allocator = PortAllocator(engine, files, held, reporter.info)
            yield StackOperations(DesiredState(stack, self._extra), allocator, Progress(reporter, task.note))

    # -- commands

    def up(self, reporter: Reporter, versions: Mapping[str, str] | None = None) -> StackStatus:
        with stack_lock(self.project, reporter):
            with self._work(reporter) as operations:
                operations.everything(versions)
            changes = [*operations.progress.changes, *self._local.bring(reporter)]
        return self._status(operations.stack, tuple(changes))

    def down(self, reporter: Reporter, *, volumes: bool = False) -> Sequence[str]:
        folder = self.project.state
        existed = folder.exists()
        with stack_lock(self.project, reporter):
            with reporter.task("stopping the stack") as task:
                stopped = [*self._local.end(reporter)]
                stack = self._stack()
                if stack:
                    found = stack.resources.containers()
                    stopped += shutdown.stop(stack.resources, found, task.note, remove=True)
                    stack.resources.remove_networks()
                    stack.resources.remove_secrets()
                    if volumes:
                        stack.resources.remove_volumes()
            if volumes or not existed:
                clear_folder(folder)
        with contextlib.suppress(OSError):
            folder.rmdir()  # only if empty: another `up` may have created files meanwhile
        return stopped

    def restart(self, service: str, reporter: Reporter) -> ServiceStatus:
        if service in self._local.names():
            return self._local.restart(service, reporter)
        if service not in self._names:
            raise unknown(service, [*self._names, *self._local.names()])
        with stack_lock(self.project, reporter), self._work(reporter) as operations:
            operations.restart(service)
        return self._row(operations.stack, service)

    def _row(self, stack: DockerStack, service: str) -> ServiceStatus:
        return next(row for row in read_status(stack, self._names) if row.name == service)

    def halt(self, service: str, reporter: Reporter) -> Halted:
        local = self._local
        if service in local.names():
            return local.halt(service, reporter)
        with stack_lock(self.project, reporter), reporter.task(f"stopping {service}"):
            stack, container = self._container(service)
            if stack is None or container is None:
                return Halted(ServiceStatus(service, "stopped"), changed=False)
            changed = manual_stop.halt(stack, container)
        needing = manual_stop.dependents(stack.resources.containers(), service)
        if service in catalog.get(API).needs:
            needing += [row.name for row in local.statuses() if row.state != "stopped"]
        return Halted(self._row(stack, service), changed, tuple(dict.fromkeys(needing)))

    def resume(self, service: str, reporter: Reporter) -> ServiceStatus:
        if service in self._local.names():
            return self._local.resume(service, reporter)
        if self._container(service)[0] is None:
            raise MlpipesError("there is no stack yet", "make it with `mlpipes up`")
        with stack_lock(self.project, reporter), self._work(reporter) as operations:
            operations.resume(service)
        for change in operations.progress.changes:
            reporter.info(change)
        return self._row(operations.stack, service)

    def shell(self, service: str, command: Sequence[str]) -> int:
        from mlpipes_cli.adapters.docker.containers import shell
        from mlpipes_cli.adapters.processes.local_services import no_container

        if service in self._local.names():
            raise no_container(service)
        stack, container = self._container(service)
        if stack is None or container is None or container.state != "running":
            raise MlpipesError(f"{service} is not running", f"start it with `mlpipes start {service}`")
        return shell.run(stack.resources.api, container, command)

    def _container(self, service: str) -> tuple[DockerStack | None, Container | None]:
        """Return the stack and the container of a service, each None if it does not exist.

        Raises:
            UsageError: There is no such service.
        """
        stack = self._stack()
        found = stack.resources.containers() if stack else {}
        known = list(dict.fromkeys([*self._names, *found, *self._local.names()]))
        if service not in known:
            raise unknown(service, known)
        return stack, found.get(service)

    def status(self) -> StackStatus:
        return self._status(self._stack())

    def _status(self, stack: DockerStack | None, changes: tuple[str, ...] = ()) -> StackStatus:
        core = (
            read_status(stack, self._names)
            if stack
            else tuple(ServiceStatus(name, "stopped") for name in self._names)
        )
        return StackStatus(self.name, self.reason, (*core, *self._local.statuses()), changes)

    def versions(self) -> Mapping[str, str]:
        stack = self._stack()
        found = stack.resources.containers() if stack else {}
        return {name: container.image for name, container in found.items()}

    def release(self, reporter: Reporter) -> Mapping[str, str]:
        from mlpipes_cli.adapters.docker.engine import capabilities

        with stack_lock(self.project, reporter), self._work(reporter) as operations:
            desired = operations.desired
            services = desired.services(desired.compose({}))
            capabilities.check(operations.stack.engine, services, reporter)
            desired.fetch(services, None, reporter)
            return dict(desired.images)

    def forget(self, reporter: Reporter) -> Sequence[str]:
        with stack_lock(self.project, reporter), reporter.task("removing containers and volumes") as task:
            stack = self._stack()
            if stack is None:
                return []
            removed = shutdown.remove_everything(stack.resources, task.note)
            StackIdentity(self.project).forget()
            return removed

    def logs(
        self, service: str, *, follow: bool = False, tail: int | None = None, since: float | None = None
    ) -> Iterator[str]:
        if service in self._local.names():
            return self._local.logs(service, follow=follow, tail=tail, since=since)
        stack, container = self._container(service)
        if stack is None or container is None:
            raise MlpipesError(f"{service} has no container, so there is no log", _UP)
        if follow:
            return logs.follow(stack.resources, service, tail=tail, since=since)
        return logs.read(stack.resources.api, container.id, follow=False, tail=tail, since=since)

    def doctor(self) -> Sequence[Check]:
        from mlpipes_cli.adapters.docker.doctor import examine

        return examine(extra_services.as_started(self.project), self._extra, self.auth, self._local)

    # -- for clients

    def _clients(self) -> Endpoints:
        return self._addresses(None)

    def endpoints(self) -> Endpoints:
        return self._addresses(self._local)

    def _addresses(self, local: LocalServices | None) -> Endpoints:
        stack, found = self._running(DATABASE, MLFLOW)
        every = [definition for definition in catalog.everything() if definition.name in found]
        shown = [definition for definition in every if local or definition.name in (DATABASE, MLFLOW)]
        ports = {definition.name: definition.port(found[definition.name].ports) for definition in shown}
        api = local.url() if local else None
        return addresses.endpoints(stack.address, ports, stack.secrets, auth=self.auth, api=api)

    def own_database(self, name: str, password: str) -> str:
        stack, found = self._running(DATABASE)
        ports = found[DATABASE].ports
        roles.make_own_database(lambda user, base: stack.database(ports, user, base), name, password)
        return roles.own_address(name, password, stack.address, ports[5432])

    def storage(self) -> Storage:
        from mlpipes_cli.adapters.docker.stack.stack_storage import storage

        store = self.project.config.stack.object_store.engine
        stack, found = self._running(DATABASE, store)
        return storage(stack, found[DATABASE].ports[5432], found[store].ports[9000])

    @contextmanager
    def paused(self, reporter: Reporter, *, again: bool = True) -> Iterator[None]:
        keeping = (DATABASE, self.project.config.stack.object_store.engine)
        with stack_lock(self.project, reporter):
            stack, _ = self._running(*keeping)
            found = stack.resources.containers()  # also one that keeps restarting
            writing = {n: container for n, container in found.items() if n not in keeping}
            with reporter.task("stopping what writes") as task:
                self._local.end(reporter)
                shutdown.stop(stack.resources, writing, task.note, remove=False)
            try:
                yield
            finally:
                if again and DATABASE in stack.resources.containers():  # else the stack was stopped meanwhile
                    with self._work(reporter) as operations:
                        operations.everything()
                    self._local.bring(reporter)

    # -- services that `start` adds: containers and local processes

    def start(self, spec: ServiceSpec, reporter: Reporter) -> ServiceStatus:
        if spec.name in (*core(self.project.config), *self.services):
            raise UsageError(f"{spec.name!r} is a service of the stack itself", "choose another name")
        self.endpoints()
        if not spec.container:
            self._drop(spec.name)
            return self._local.start(spec, reporter)
        with stack_lock(self.project, reporter):
            self._local.end_one(spec.name)
            with extra_services.remembered(self.project, spec), self._work(reporter) as operations:
                operations.one(spec.name)
        return self._row(operations.stack, spec.name)

    def stop(self, service: str, reporter: Reporter) -> bool:
        if service in (*core(self.project.config), *self.services):
            raise UsageError(
                f"{service!r} is a service of the stack itself", "`mlpipes down` stops the stack"
            )
        with stack_lock(self.project, reporter):
            dropped = self._drop(service)
        return self._local.stop(service, reporter) or dropped

    def _drop(self, service: str) -> bool:
        """Remove the container that ``start`` added, if there is one."""
        stack = self._stack()
        found = stack.resources.containers().get(service) if stack else None
        if stack is None or found is None:
            return False
        stack.resources.stop(found)
        stack.resources.remove(found.id)
        return True
