"""Processes of ours beside any stack's core: what ``start`` added, and servers in the foreground.

Every runtime has them: the prediction API runs on this machine, wherever the core does. What
should run is in ``.mlpipes/services.json``; what does, in ``state.json``.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from mlpipes_cli.adapters.processes import foreground, log_files, ports, process, service_status
from mlpipes_cli.adapters.processes.daemon import Daemon, HttpProbe
from mlpipes_cli.adapters.processes.reconciler import ProcessReconciler, marked_as, stack_lock
from mlpipes_cli.adapters.processes.state import RunningProcess, StateFiles
from mlpipes_cli.errors import UsageError
from mlpipes_cli.ports import Endpoints, Halted, Reporter, ServiceSpec, ServiceStatus
from mlpipes_cli.project import ProjectFolder
from mlpipes_cli.suggest import did_you_mean

CORE = ("postgres", "mlflow")  # never added, whatever processes or files say
API = foreground.API
API_URL, SETTINGS = "MLPIPES_API_URL", "MLPIPES_SERVING"


@dataclass(frozen=True)
class LocalServices:
    """The added services of one project.

    ``start``, ``stop`` and ``restart`` take the stack's lock
    (:func:`mlpipes_cli.adapters.processes.reconciler.stack_lock`); who calls ``bring`` and ``end`` holds it.

    Attributes:
        project: Whose.
        clients: Gives what they are told of the running core; called only when one is to run.
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

    # -- what there is

    def names(self) -> list[str]:
        """Those that are wanted, written down, or found by their marks."""
        files = self._files
        found = {*self._wanted(), *files.running(), *process.services(self.project.root)}
        return sorted(found - {*CORE, process.FOREGROUND})

    def survey(self) -> tuple[ServiceStatus, ...]:
        """The added ones and the servers in the foreground."""
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
        """Where the prediction API is, as a service or in the foreground."""
        written = self._files.running()
        found = marked_as(self.project, API).find(written[API]) if API in written else None
        return f"http://{ports.HOST}:{found.port}" if found else foreground.url(self.project)

    def strays(self) -> list[int]:
        """Pids of what nobody wants, or of what lost its main process."""
        files = self._files
        written, wanted = files.running(), self._wanted()
        left = [one.pid for one in foreground.strays(self.project)]
        for name in self.names():
            daemon = marked_as(self.project, name)
            if name not in wanted or daemon.find(written.get(name)) is None:
                left += [one.pid for one in process.marked(self.project.root, name)]
        return left

    def logs(
        self, name: str, *, follow: bool = False, tail: int | None = None, since: float | None = None
    ) -> Iterator[str]:
        """The lines of one's log; see :meth:`mlpipes_cli.ports.Runtime.logs`.

        Raises:
            UsageError: It keeps no times, and ``since`` is asked.
        """
        return log_files.read(log_files.path(self.project, name), lines=tail, follow=follow, since=since)

    # -- under the caller's lock

    def bring(self, reporter: Reporter) -> list[str]:
        """Have run what should, end what should not; returns what was changed.

        Raises:
            MlpipesError: One does not come up.
        """
        wanted = self._wanted()
        with self._work(reporter) as bringing:
            process.end(lambda: foreground.strays(self.project))
            for name in self.names():
                if name not in wanted:
                    bringing.end(name)
            for spec in wanted.values():
                bringing.come_up(self._daemon(spec), spec.preferred_port)
        return bringing.changes

    def end(self, reporter: Reporter) -> list[str]:
        """End all of them, servers in the foreground too; they are still wanted. Returns their names.

        Raises:
            MlpipesError: One cannot be ended.
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
        """End one, wanted or not.

        Raises:
            MlpipesError: It cannot be ended.
        """
        files = self._files
        running = files.running()
        found = running.pop(name, None)
        ended = marked_as(self.project, name).end(found)
        if found:
            files.write_running(self.project.root, running)
        return bool(ended)

    # -- with the lock

    def start(self, spec: ServiceSpec, reporter: Reporter) -> ServiceStatus:
        """Start one (again if it differs), wait until it answers, and remember it for ``bring``.

        Raises:
            MlpipesError: It does not come up; what was remembered before still is.
        """
        with stack_lock(self.project, reporter), reporter.task(f"starting {spec.name}") as task:
            before = self._files.wanted()
            self._files.write_wanted(before | {spec.name: spec})
            try:
                with self._work(reporter) as bringing:
                    bringing.note = task.note
                    bringing.come_up(self._daemon(spec), spec.preferred_port)
            except BaseException:
                self._files.write_wanted(before)
                raise
        return self._look(spec.name, self._files.running(), spec)

    def restart(self, name: str, reporter: Reporter) -> ServiceStatus:
        """End one and start it, whatever state it is in, and wait until it answers.

        Raises:
            UsageError: There is no such service, or it is not remembered how it is started.
            MlpipesError: It does not come up.
        """
        spec = self._spec(name)
        with stack_lock(self.project, reporter), reporter.task(f"restarting {name}") as task:
            daemon = self._daemon(spec)  # before anything is ended: it needs the core
            with self._work(reporter) as bringing:
                bringing.note = task.note
                bringing.end(name)
                bringing.come_up(daemon, spec.preferred_port)
        return self._look(name, self._files.running(), spec)

    def halt(self, name: str, reporter: Reporter) -> Halted:
        """End one; it is still wanted. See :meth:`mlpipes_cli.ports.Runtime.halt`.

        Raises:
            MlpipesError: It cannot be ended.
        """
        with stack_lock(self.project, reporter), reporter.task(f"stopping {name}"):
            ended = self.end_one(name)
        return Halted(self._look(name, self._files.running(), self._wanted().get(name)), ended)

    def resume(self, name: str, reporter: Reporter) -> ServiceStatus:
        """Start one that is wanted, if it does not run, and wait until it answers.

        Raises:
            UsageError: It is not remembered how it is started.
            MlpipesError: It does not come up.
        """
        return self.start(self._spec(name), reporter)

    def _spec(self, name: str) -> ServiceSpec:
        spec = self._wanted().get(name)
        if spec is None:
            raise UsageError(f"{name!r} cannot be restarted", "start it with `mlpipes serve`")
        return spec

    def stop(self, name: str, reporter: Reporter) -> bool:
        """End one and forget it; False if there was none.

        Raises:
            MlpipesError: It cannot be ended.
        """
        files = self._files
        with stack_lock(self.project, reporter):
            wanted, running = files.wanted(), files.running()
            known = wanted.pop(name, None) is not None
            ended = marked_as(self.project, name).end(running.pop(name, None))
            files.write_wanted(wanted)
            files.write_running(self.project.root, running)
        return known or bool(ended)

    # -- how

    @contextmanager
    def _work(self, reporter: Reporter) -> Iterator[ProcessReconciler]:
        """A piece of work; a service that does not answer at an untimely end is ended."""
        files = self._files
        with ports.PortReservations() as held:
            bringing = ProcessReconciler(self.project, reporter, held, files, files.running())
            bringing.settle_move()
            try:
                yield bringing
            except BaseException:
                bringing.undo()
                raise

    def _daemon(self, spec: ServiceSpec) -> Daemon:
        told = self.clients().environment()
        return Daemon(
            name=spec.name,
            root=self.project.root,
            command=spec.command,
            settings={name: value for name, value in told.items() if name != API_URL}
            | ({SETTINGS: spec.settings} if spec.settings else {}),
            folder=self.project.root,
            log=log_files.path(self.project, spec.name),
            probe=HttpProbe("GET", spec.ready_path),
            timeout=spec.timeout,
            release=importlib.metadata.version("mlpipes"),
        )


def no_such_service(word: str, known: Iterable[str]) -> UsageError:
    """What to raise for a service that a stack does not have."""
    known = list(known)
    near = did_you_mean(word, known).removeprefix("; ")
    there = f"choose from: {', '.join(known)}"
    return UsageError(f"there is no service {word!r}", f"{near} {there}" if near else there)


def no_container(name: str) -> UsageError:
    """What to raise where somebody wants to look into a container, and the service is a process."""
    instead = {"postgres": "`mlpipes psql` opens the database", "mlflow": "`mlpipes env` is for its clients"}
    where = instead.get(name, f"`mlpipes logs {name}` shows its log")
    return UsageError(f"{name} runs as a local process, not in a container: there is no shell in it", where)
