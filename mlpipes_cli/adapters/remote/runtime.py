"""The remote runtime: it starts only the project's own processes on this machine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mlpipes_cli.adapters.processes.json_files import clear_folder
from mlpipes_cli.adapters.processes.local_services import LocalServices, no_container, no_such_service
from mlpipes_cli.adapters.processes.stack_lock import stack_lock
from mlpipes_cli.adapters.remote import addresses, bucket, checks, mlflow, postgres
from mlpipes_cli.adapters.remote.addresses import RemoteAddresses
from mlpipes_cli.errors import MlpipesError, Several, UsageError
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

_THEIRS = (postgres.NAME, mlflow.NAME, bucket.NAME)


@dataclass(frozen=True)
class RemoteRuntime:
    """Implements :class:`mlpipes_cli.ports.Runtime`.

    Attributes:
        project: The project that the stack belongs to.
        reason: Why this runtime was chosen.
        name: ``remote``.
    """

    project: ProjectFolder
    reason: str
    name: str = "remote"

    @property
    def _addresses(self) -> RemoteAddresses:
        return addresses.resolve(self.project)

    @property
    def _local(self) -> LocalServices:
        return LocalServices(self.project, self.endpoints)

    def up(self, reporter: Reporter, versions: Mapping[str, str] | None = None) -> StackStatus:
        """See the protocol; others decide about versions, so ``versions`` changes nothing."""
        addresses = self._addresses
        with stack_lock(self.project, reporter):
            with reporter.task("checking the remote services") as task:
                task.note(f"{addresses.mlflow}, {addresses.shown_database}")
                found = checks.examine(addresses)
            if wrong := checks.failures(found):
                raise Several(wrong)
            for check in found:
                if check.level == "warning" and "schemas" not in check.name:
                    reporter.warn(f"{check.name}: {check.found}; {check.fix}")
            if addresses.bucket is None:
                reporter.info("the object store is not checked: MLflow serves the artifacts")
            made = [f"postgres: created schema {name}" for name in postgres.make_schemas(addresses.database)]
            changes = (*made, *self._local.bring(reporter))
        return self._status(addresses, changes)

    def _status(self, there: RemoteAddresses, changes: tuple[str, ...] = ()) -> StackStatus:
        services = (*checks.read_status(there), *self._local.statuses())
        return StackStatus(self.name, self.reason, services, changes)

    def down(self, reporter: Reporter, *, volumes: bool = False) -> Sequence[str]:
        folder = self.project.state
        existed = folder.exists()
        with stack_lock(self.project, reporter), reporter.task("stopping local services"):
            stopped = self._local.end(reporter)
            if volumes or not existed:
                clear_folder(folder)
        if volumes:
            reporter.info("the remote databases and artifacts are unchanged")
        with contextlib.suppress(OSError):
            folder.rmdir()
        return stopped

    def restart(self, service: str, reporter: Reporter) -> ServiceStatus:
        self._ours(service)
        return self._local.restart(service, reporter)

    def halt(self, service: str, reporter: Reporter) -> Halted:
        self._ours(service, "stop it")
        return self._local.halt(service, reporter)

    def resume(self, service: str, reporter: Reporter) -> ServiceStatus:
        self._ours(service, "start it")
        return self._local.resume(service, reporter)

    def shell(self, service: str, command: Sequence[str]) -> int:
        self._ours(service, "open a shell in it")
        raise no_container(service)

    def _ours(self, service: str, what: str = "restart it or read its log") -> None:
        """Make sure that a service is a process of this project before it is changed or read.

        Raises:
            UsageError: It is not.
        """
        if service in _THEIRS:
            raise UsageError(f"{service} is remote: mlpipes cannot {what}", "ask its administrator")
        known = self._local.names()
        if service not in known:
            raise no_such_service(service, [*_THEIRS, *known])

    def status(self) -> StackStatus:
        return self._status(self._addresses)

    def versions(self) -> Mapping[str, str]:
        addresses = self._addresses
        return {
            postgres.NAME: postgres.version(addresses.database),
            mlflow.NAME: mlflow.version(addresses.mlflow, addresses.login),
        }

    def release(self, reporter: Reporter) -> Mapping[str, str]:
        return self.versions()

    def forget(self, reporter: Reporter) -> Sequence[str]:
        """See the protocol; data that others keep is not removed."""
        reporter.warn("the remote databases and artifacts are unchanged; remove them on their servers")
        return []

    def logs(
        self, service: str, *, follow: bool = False, tail: int | None = None, since: float | None = None
    ) -> Iterator[str]:
        self._ours(service)
        return self._local.logs(service, follow=follow, tail=tail, since=since)

    def doctor(self) -> Sequence[Check]:
        from mlpipes_cli.adapters.remote.doctor import examine

        return examine(self.project, self._local)

    def endpoints(self) -> Endpoints:
        addresses = self._addresses
        url = self._local.url()
        api = {"MLPIPES_API_URL": url} if url else {}
        return Endpoints(
            addresses.mlflow, addresses.database, {**addresses.variables, **api}, addresses.database
        )

    def own_database(self, name: str, password: str) -> str:
        """See the protocol; it belongs to the project's role, and its name begins with the project's."""
        return postgres.make_own_database(self._addresses.database, name)

    def storage(self) -> Storage:
        addresses = self._addresses
        if addresses.tracking_database is None:
            raise MlpipesError(
                "the database of the remote MLflow is not configured",
                "name it in mlpipes.yaml: stack -> mlflow -> database_url",
            )
        if addresses.bucket is None:
            raise MlpipesError(
                "the remote bucket cannot be reached from here",
                "name it in mlpipes.yaml (stack -> object_store) and set AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY",
            )
        databases = {"mlflow": addresses.tracking_database, "mlpipes": addresses.database}
        return Storage(databases, bucket.store(addresses.bucket))

    @contextlib.contextmanager
    def paused(self, reporter: Reporter, *, again: bool = True) -> Iterator[None]:
        with stack_lock(self.project, reporter):
            self._local.end(reporter)
            reporter.warn("other clients may still write to the remote stack; make sure that none do")
            try:
                yield
            finally:
                if again and self.project.state.exists():
                    self._local.bring(reporter)

    def start(self, spec: ServiceSpec, reporter: Reporter) -> ServiceStatus:
        if spec.name in _THEIRS:
            raise UsageError(f"{spec.name!r} is a service of the stack itself", "choose another name")
        return self._local.start(spec, reporter)

    def stop(self, service: str, reporter: Reporter) -> bool:
        if service in _THEIRS:
            raise UsageError(f"{service!r} is remote: mlpipes cannot stop it", "ask its administrator")
        return self._local.stop(service, reporter)
