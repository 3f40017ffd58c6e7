"""Manage local processes beside a stack's core: services that ``start`` added, and foreground servers.

Every runtime has them: the prediction API runs on this machine, wherever the core does. The desired
services are in ``.mlpipes/services.json``, the running ones in ``state.json``.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from mlpipes_cli.adapters.processes import foreground, log_files, ports, process, service_status
from mlpipes_cli.adapters.processes.daemon import Daemon, marked_as
from mlpipes_cli.adapters.processes.driver import ProcessDriver, ProcessService
from mlpipes_cli.adapters.processes.stack_lock import stack_lock
from mlpipes_cli.adapters.processes.state import RunningProcess, StateFiles
from mlpipes_cli.adapters.reconcile.driver import Progress
from mlpipes_cli.adapters.reconcile.reconciler import Reconciler
from mlpipes_cli.errors import UsageError
from mlpipes_cli.ports import Endpoints, Halted, Reporter, ServiceSpec, ServiceStatus
from mlpipes_cli.project import ProjectFolder
from mlpipes_cli.services import catalog
from mlpipes_cli.services.probes import HttpProbe
from mlpipes_cli.suggest import did_you_mean

CORE = (catalog.DATABASE, catalog.MLFLOW)  # never added, whatever processes or files say
API = foreground.API
API_URL, SETTINGS = "MLPIPES_API_URL", "MLPIPES_SETTINGS"  # the latter only makes the fingerprint differ


@dataclass(frozen=True)
class LocalServices:
    """Manages the added services of one project.

    ``start``, ``stop`` and ``restart`` take the stack's lock
    (:func:`mlpipes_cli.adapters.processes.stack_lock.stack_lock`); callers of ``bring`` and ``end`` hold it.

    Attributes:
        project: The project of the services.
        clients: Returns the addresses of the running core; called only when a service has to run.
        elsewhere: Added services that run as containers.
    """

    project: ProjectFolder
    clients: Callable[[], Endpoints]
    elsewhere: Collection[str] = ()

    @property
    def _files(self) -> StateFiles:
        return StateFiles(self.project.state)

    def _wanted(self) -> dict[str, ServiceSpec]:
        return {name: spec for name, spec in self._files.wanted().items() if name not in self.elsewhere}

    # -- queries

    def names(self) -> list[str]:
        """Return the names of services that are configured, recorded, or found in processes' environments."""
        files = self._files
        found = {*self._wanted(), *files.running(), *process.services(self.project.root)}
        return sorted(found - {*CORE, process.FOREGROUND})

    def statuses(self) -> tuple[ServiceStatus, ...]:
        """Return the status of the added services and of the foreground servers."""
        files = self._files
        written, wanted = files.running(), self._wanted()
        added = tuple(self._look(name, written, wanted.get(name)) for name in self.names())
        return (*added, *foreground.read_status(self.project))

    def _look(
        self, name: str, written: Mapping[str, RunningProcess], spec: ServiceSpec | None
    ) -> ServiceStatus:
        daemon = marked_as(self.project, name)
        main = daemon.find(written.get(name))
        members = daemon.members(main)
        if main is None:
            return service_status.absent(name, expected=bool(members) or name in written)
        answer = HttpProbe("GET", spec.ready_path if spec else "/").answer(main.port)
        url = f"http://{ports.HOST}:{main.port}"
        answer = answer if process.listen(members, main.port) else None
        return service_status.present(name, main, members, url, answer=answer)

    def url(self) -> str | None:
        """Return the URL of the prediction API, as a service or in the foreground."""
        written = self._files.running()
        found = marked_as(self.project, API).find(written[API]) if API in written else None
        return f"http://{ports.HOST}:{found.port}" if found else foreground.url(self.project)

    def strays(self) -> list[int]:
        """Return the pids of services that are not configured or have lost their main process."""
        files = self._files
        written, wanted = files.running(), self._wanted()
        left = [stray.pid for stray in foreground.strays(self.project)]
        for name in self.names():
            daemon = marked_as(self.project, name)
            if name not in wanted or daemon.find(written.get(name)) is None:
                left += [stray.pid for stray in process.marked(self.project.root, name)]
        return left

    def logs(
        self, name: str, *, follow: bool = False, tail: int | None = None, since: float | None = None
    ) -> Iterator[str]:
        """Return the lines of a service's log; see :meth:`mlpipes_cli.ports.Runtime.logs`.

        Raises:
            UsageError: ``since`` is given, and the log has no timestamps.
        """
        return log_files.read(log_files.path(self.project, name), lines=tail, follow=follow, since=since)

    # -- under the caller's lock

    def bring(self, reporter: Reporter) -> list[str]:
        """Start the configured services and stop all others; return the changes.

        Raises:
            MlpipesError: A service does not start.
        """
        wanted = self._wanted()
        progress = Progress(reporter)
        with self._driver(progress) as driver:
            process.end(lambda: foreground.strays(self.project))
            for name in self.names():
                if name not in wanted:
                    driver.end(name, marked_as(self.project, name))
            for spec in wanted.values():
                self._reconcile(driver, self._service(spec))
        return progress.changes

    def end(self, reporter: Reporter) -> list[str]:
        """Stop all services and foreground servers, keep their configuration, and return their names.

        Raises:
            MlpipesError: A process cannot be stopped.
        """
        files = self._files
        names, running = self.names(), files.running()
        reporter.detail("stopping additional services")
        stopped = [API] if foreground.end(self.project) else []
        for name in names:
            if marked_as(self.project, name).end(running.pop(name, None)) and name not in stopped:
                stopped.append(name)
        if running:
            files.write_running(self.project.root, running)
        else:
            files.forget_running()
        return stopped

    def end_one(self, name: str) -> bool:
        """Stop a service, configured or not; return whether it had processes.

        Raises:
            MlpipesError: The service cannot be stopped.
        """
        files = self._files
        running = files.running()
        found = running.pop(name, None)
        ended = marked_as(self.project, name).end(found)
        if found:
            files.write_running(self.project.root, running)
        return bool(ended)

    # -- methods that take the lock

    def start(self, spec: ServiceSpec, reporter: Reporter) -> ServiceStatus:
        """Start a service, or restart it if it differs; wait until it answers; record it for ``bring``.

        Raises:
            MlpipesError: The service does not start; the recorded configuration is unchanged.
        """
        with stack_lock(self.project, reporter), reporter.task(f"starting {spec.name}") as task:
            before = self._files.wanted()
            self._files.write_wanted(before | {spec.name: spec})
            try:
                with self._driver(Progress(reporter, task.note)) as driver:
                    self._reconcile(driver, self._service(spec))
            except BaseException:
                self._files.write_wanted(before)
                raise
        return self._look(spec.name, self._files.running(), spec)

    def restart(self, name: str, reporter: Reporter) -> ServiceStatus:
        """Stop a service and start it again, whatever its state, and wait until it answers.

        Raises:
            UsageError: The service is not configured.
            MlpipesError: The service does not start.
        """
        spec = self._spec(name)
        with stack_lock(self.project, reporter), reporter.task(f"restarting {name}") as task:
            service = self._service(spec)  # before the service is stopped: this needs the core
            with self._driver(Progress(reporter, task.note)) as driver:
                driver.end(name, service.program)
                self._reconcile(driver, service)
        return self._look(name, self._files.running(), spec)

    def halt(self, name: str, reporter: Reporter) -> Halted:
        """Stop a service and keep its configuration; see :meth:`mlpipes_cli.ports.Runtime.halt`.

        Raises:
            MlpipesError: The service cannot be stopped.
        """
        with stack_lock(self.project, reporter), reporter.task(f"stopping {name}"):
            ended = self.end_one(name)
        return Halted(self._look(name, self._files.running(), self._wanted().get(name)), ended)

    def resume(self, name: str, reporter: Reporter) -> ServiceStatus:
        """Start a configured service, if it does not run, and wait until it answers.

        Raises:
            UsageError: The service is not configured.
            MlpipesError: The service does not start.
        """
        return self.start(self._spec(name), reporter)

    def _spec(self, name: str) -> ServiceSpec:
        spec = self._wanted().get(name)
        if spec is None:
            raise UsageError(f"{name!r} cannot be restarted", "start it with `mlpipes serve`")
        return spec

    def stop(self, name: str, reporter: Reporter) -> bool:
        """Stop a service and remove its configuration; return False if there was none.

        Raises:
            MlpipesError: The service cannot be stopped.
        """
        files = self._files
        with stack_lock(self.project, reporter):
            wanted, running = files.wanted(), files.running()
            known = wanted.pop(name, None) is not None
            ended = marked_as(self.project, name).end(running.pop(name, None))
            files.write_wanted(wanted)
            files.write_running(self.project.root, running)
        return known or bool(ended)

    # -- helpers

    @contextmanager
    def _driver(self, progress: Progress) -> Iterator[ProcessDriver]:
        files = self._files
        with ports.PortReservations() as held:
            driver = ProcessDriver(self.project, progress, held, files, files.running())
            driver.handle_move()
            yield driver

    def _reconcile(self, driver: ProcessDriver, service: ProcessService) -> None:
        Reconciler(driver, (service,), driver.progress).run()

    def _service(self, spec: ServiceSpec) -> ProcessService:
        return ProcessService(
            name=spec.name,
            timeout=spec.timeout,
            program=self._daemon(spec),
            fixed=spec.preferred_port if spec.fixed_port else None,
            preference=spec.preferred_port,
        )

    def _daemon(self, spec: ServiceSpec) -> Daemon:
        environment = self.clients().environment()
        return Daemon(
            name=spec.name,
            root=self.project.root,
            command=spec.command,
            settings={name: value for name, value in environment.items() if name != API_URL}
            | ({SETTINGS: spec.settings} if spec.settings else {}),
            folder=self.project.root,
            log=log_files.path(self.project, spec.name),
            probe=HttpProbe("GET", spec.ready_path),
            timeout=spec.timeout,
            release=importlib.metadata.version("mlpipes"),
        )


def no_such_service(word: str, known: Iterable[str]) -> UsageError:
    """Return the error for a service that a stack does not have."""
    known = list(known)
    near = did_you_mean(word, known).removeprefix("; ")
    there = f"choose from: {', '.join(known)}"
    return UsageError(f"there is no service {word!r}", f"{near} {there}" if near else there)


def no_container(name: str) -> UsageError:
    """Return the error for a shell in a service that is a process, not a container."""
    instead = {"postgres": "`mlpipes psql` opens the database", "mlflow": "`mlpipes env` is for its clients"}
    where = instead.get(name, f"`mlpipes logs {name}` shows its log")
    return UsageError(f"{name} runs as a local process, not in a container: there is no shell in it", where)
