"""The stack as processes of this machine: no Docker, no root, nothing outside the project's folder."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mlpipes_cli.adapters.embedded import foreground, keeping
from mlpipes_cli.adapters.embedded.bring import alone, work
from mlpipes_cli.adapters.embedded.parts import API, CORE, DATABASE, MLFLOW, Parts
from mlpipes_cli.adapters.embedded.survey import survey
from mlpipes_cli.adapters.processes import logs, ports
from mlpipes_cli.adapters.processes.files import unwritable
from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.ports import Check, Endpoints, Reporter, ServiceSpec, ServiceStatus, StackStatus, Storage
from mlpipes_cli.project import Project


@dataclass(frozen=True)
class EmbeddedRuntime:
    """Implements :class:`mlpipes_cli.ports.Runtime`.

    Attributes:
        project: Whose stack it is.
        reason: Why this runtime was taken.
        name: ``embedded``.
    """

    project: Project
    reason: str
    name: str = "embedded"

    @property
    def _parts(self) -> Parts:
        return Parts(self.project)

    def up(self, reporter: Reporter) -> StackStatus:
        with work(self._parts, reporter) as bringing, reporter.task("starting the stack") as task:
            bringing.note = task.note
            bringing.everything()
        return self._status(tuple(bringing.changes))

    def _status(self, changes: tuple[str, ...] = ()) -> StackStatus:
        services = (*survey(self._parts), *foreground.survey(self._parts))
        return StackStatus(self.name, self.reason, services, changes)

    def down(self, reporter: Reporter, *, volumes: bool = False) -> Sequence[str]:
        folder = self.project.state
        existed = folder.exists()
        with alone(self._parts, reporter):
            stopped = self._stop_all(reporter)
            if volumes or not existed:
                self._remove_data()
        with contextlib.suppress(OSError):
            folder.rmdir()  # only if empty, so never what another `up` has made meanwhile
        return stopped

    def _stop_all(self, reporter: Reporter) -> list[str]:
        """End those who use the database first, itself last."""
        parts = self._parts
        written = parts.files.running()
        stopped = []
        with reporter.task("stopping the stack") as task:
            task.note(f"{API} in the foreground")
            if foreground.end(parts):
                stopped.append(API)
            for name in (*parts.added_names(), MLFLOW, DATABASE):
                task.note(name)
                if parts.end(name, written.get(name)) and name not in stopped:
                    stopped.append(name)
        parts.files.forget_running()
        return stopped

    def _remove_data(self) -> None:
        """Remove all but the lock, which is still held."""
        try:
            for path in self.project.state.iterdir():
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                elif path.name != "lock":
                    path.unlink()
        except OSError as error:
            raise unwritable(self.project.state, error) from None

    def status(self) -> StackStatus:
        return self._status()

    def logs(self, service: str, *, follow: bool = False, tail: int | None = None) -> Iterator[str]:
        known = [*CORE, *self._parts.added_names()]
        path = self._parts.log(service)
        if service not in known and not ("/" not in service and path.is_file()):
            raise UsageError(f"there is no service {service!r}", f"choose one of: {', '.join(known)}")
        return logs.read(path, lines=tail, follow=follow)

    def doctor(self) -> Sequence[Check]:
        from mlpipes_cli.adapters.embedded.doctor import examine

        return examine(self._parts)

    def endpoints(self) -> Endpoints:
        parts = self._parts
        written = parts.files.running()
        database = parts.database().find()
        found = parts.named(MLFLOW).find(written.get(MLFLOW))
        if database is None or found is None:
            gone = database is None and found is None
            what = (
                "the stack is not running" if gone else f"{MLFLOW if database else DATABASE} is not running"
            )
            raise MlpipesError(what, "start it with `mlpipes up`")
        api = parts.named(API).find(written[API]) if API in written else None
        url = f"http://{ports.HOST}:{api.port}" if api else foreground.url(parts)
        return parts.clients(database.port, found.port, url)

    def storage(self) -> Storage:
        return keeping.storage(self._parts)

    @contextlib.contextmanager
    def paused(self, reporter: Reporter) -> Iterator[None]:
        with alone(self._parts, reporter):
            keeping.stop_writers(self._parts, reporter)
            try:
                yield
            finally:
                if self._parts.database().find() is not None:  # else the stack was taken down meanwhile
                    self.up(reporter)

    def start(self, spec: ServiceSpec, reporter: Reporter) -> ServiceStatus:
        if spec.name in CORE:
            raise UsageError(f"{spec.name!r} is a service of the stack itself", "choose another name")
        self.endpoints()
        files = self._parts.files
        with work(self._parts, reporter) as bringing, reporter.task(f"starting {spec.name}") as task:
            bringing.note = task.note
            before = files.wanted()
            files.write_wanted(before | {spec.name: spec})
            try:
                bringing.added(spec)
            except BaseException:
                files.write_wanted(before)
                raise
        return next(one for one in survey(self._parts) if one.name == spec.name)

    def stop(self, service: str, reporter: Reporter) -> bool:
        files = self._parts.files
        with alone(self._parts, reporter):
            wanted, running = files.wanted(), files.running()
            known = wanted.pop(service, None) is not None
            if service in CORE:
                raise UsageError(
                    f"{service!r} is a service of the stack itself", "`mlpipes down` stops the stack"
                )
            ended = self._parts.end(service, running.pop(service, None))
            files.write_wanted(wanted)
            files.write_running(self.project.root, running)
        return known or bool(ended)
