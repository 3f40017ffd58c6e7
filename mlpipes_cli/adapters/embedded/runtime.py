"""Run the stack as local processes, without Docker or root and with all files in the project's folder."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mlpipes_cli.adapters.embedded import manual_stop, stack_storage
from mlpipes_cli.adapters.embedded.core_services import core_services
from mlpipes_cli.adapters.embedded.layout import CORE, StackLayout
from mlpipes_cli.adapters.embedded.status import read_status
from mlpipes_cli.adapters.postgres import roles
from mlpipes_cli.adapters.processes import log_files, ports
from mlpipes_cli.adapters.processes.daemon import marked_as
from mlpipes_cli.adapters.processes.json_files import clear_folder
from mlpipes_cli.adapters.processes.local_services import LocalServices, no_container, no_such_service
from mlpipes_cli.adapters.processes.stack_lock import stack_lock
from mlpipes_cli.errors import MlpipesError, UsageError
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
from mlpipes_cli.services.catalog import DATABASE, MLFLOW


@dataclass(frozen=True)
class EmbeddedRuntime:
    """Implements :class:`mlpipes_cli.ports.Runtime`.

    Attributes:
        project: The project of the stack.
        reason: Why this runtime was chosen.
        auth: Whether MLflow requires a user name and a password.
        name: ``embedded``.
    """

    project: ProjectFolder
    reason: str
    auth: bool = False
    name: str = "embedded"

    @property
    def _parts(self) -> StackLayout:
        return StackLayout(self.project, self.auth)

    @property
    def _local(self) -> LocalServices:
        return LocalServices(self.project, self.endpoints)

    def up(self, reporter: Reporter, versions: Mapping[str, str] | None = None) -> StackStatus:
        if versions is not None and dict(versions) != dict(self.versions()):
            raise MlpipesError(
                "the embedded services belong to this installation and cannot run in another version",
                "install the mlpipes release that has that version",
            )
        with core_services(self._parts, reporter, "starting the stack") as core:
            core.bring()
            changes = (*core.progress.changes, *self._local.bring(reporter))
        return self._status(changes)

    def _status(self, changes: tuple[str, ...] = ()) -> StackStatus:
        return StackStatus(
            self.name, self.reason, (*read_status(self._parts), *self._local.statuses()), changes
        )

    def down(self, reporter: Reporter, *, volumes: bool = False) -> Sequence[str]:
        folder = self.project.state
        existed = folder.exists()
        with stack_lock(self.project, reporter):
            stopped = self._stop_all(reporter)
            if volumes or not existed:
                clear_folder(folder)
        with contextlib.suppress(OSError):
            folder.rmdir()  # only if empty: another `up` may have created files meanwhile
        return stopped

    def _stop_all(self, reporter: Reporter) -> list[str]:
        """Stop the clients of the database first, the database last."""
        parts = self._parts
        written = parts.files.running()
        with reporter.task("stopping the stack") as task:
            task.note("additional services")
            stopped = self._local.end(reporter)
            for name in (MLFLOW, DATABASE):
                task.note(name)
                if parts.end(name, written.get(name)):
                    stopped.append(name)
        parts.files.forget_running()
        return stopped

    def restart(self, service: str, reporter: Reporter) -> ServiceStatus:
        if service not in CORE:
            self._check(service)
            return self._local.restart(service, reporter)
        with core_services(self._parts, reporter, f"restarting {service}") as core:
            core.restart(service)
        return next(row for row in read_status(self._parts) if row.name == service)

    def halt(self, service: str, reporter: Reporter) -> Halted:
        self._check(service)
        if service not in CORE:
            return self._local.halt(service, reporter)
        return manual_stop.halt(self._parts, self._local, service, reporter)

    def resume(self, service: str, reporter: Reporter) -> ServiceStatus:
        self._check(service)
        if service not in CORE:
            return self._local.resume(service, reporter)
        return manual_stop.resume(self._parts, service, reporter)

    def shell(self, service: str, command: Sequence[str]) -> int:
        self._check(service)
        raise no_container(service)

    def release(self, reporter: Reporter) -> Mapping[str, str]:
        return self._parts.versions()

    def forget(self, reporter: Reporter) -> Sequence[str]:
        with stack_lock(self.project, reporter):
            return stack_storage.forget(self._parts)

    def status(self) -> StackStatus:
        return self._status()

    def versions(self) -> Mapping[str, str]:
        return self._parts.versions()

    def logs(
        self, service: str, *, follow: bool = False, tail: int | None = None, since: float | None = None
    ) -> Iterator[str]:
        path = self._parts.log(service)
        if "/" in service or not path.is_file():
            self._check(service)
        return log_files.read(path, lines=tail, follow=follow, since=since)

    def _check(self, service: str) -> None:
        known = [*CORE, *self._local.names()]
        if service not in known:
            raise no_such_service(service, known)

    def doctor(self) -> Sequence[Check]:
        from mlpipes_cli.adapters.embedded.doctor import examine

        return examine(self._parts, self._local)

    def endpoints(self) -> Endpoints:
        parts = self._parts
        database = parts.database().find()
        found = marked_as(self.project, MLFLOW).find(parts.files.running().get(MLFLOW))
        if database is None or found is None:
            gone = database is None and found is None
            what = (
                "the stack is not running" if gone else f"{MLFLOW if database else DATABASE} is not running"
            )
            raise MlpipesError(what, "start it with `mlpipes up`")
        return parts.clients(database.port, found.port, self._local.url())

    def own_database(self, name: str, password: str) -> str:
        server = self._parts.database()
        found = server.find()
        if found is None:
            raise MlpipesError(f"{DATABASE} is not running", "start it with `mlpipes up`")
        roles.make_own_database(lambda user, base: server.connect(found.port, user, base), name, password)
        return roles.own_address(name, password, ports.HOST, found.port)

    def storage(self) -> Storage:
        return stack_storage.storage(self._parts)

    @contextlib.contextmanager
    def paused(self, reporter: Reporter, *, again: bool = True) -> Iterator[None]:
        with stack_lock(self.project, reporter):
            stack_storage.stop_writers(self._parts, self._local, reporter)
            try:
                yield
            finally:
                if (
                    again and self._parts.database().find() is not None
                ):  # else the stack was stopped meanwhile
                    self.up(reporter)

    def start(self, spec: ServiceSpec, reporter: Reporter) -> ServiceStatus:
        if spec.name in CORE:
            raise UsageError(f"{spec.name!r} is a service of the stack itself", "choose another name")
        return self._local.start(spec, reporter)

    def stop(self, service: str, reporter: Reporter) -> bool:
        if service in CORE:
            raise UsageError(
                f"{service!r} is a service of the stack itself", "`mlpipes down` stops the stack"
            )
        return self._local.stop(service, reporter)
