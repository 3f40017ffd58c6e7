"""Runs jobs in worker hosts, one host for each environment, and reports their results."""

from __future__ import annotations

import os
import selectors
import signal
import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType

from mlpipes_cli.child_process import reaper
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.worker import hardware, host_client, protocol
from mlpipes_cli.worker.host_client import HostEvent, WorkerHostClient
from mlpipes_cli.worker.memory_watch import MemoryWatch
from mlpipes_cli.worker.resource_allocator import ResourceAllocator, ResourceRequest

_CHECK = 0.5  # seconds between two checks of silent hosts

__all__ = ["CandidateJob", "HostEvent", "Pool", "ResourceRequest"]


@dataclass(frozen=True)
class CandidateJob:
    """A job to run in a process of its own.

    Attributes:
        name: A unique name.
        folder: Holds ``job.json``.
        python: The interpreter of its environment; None for the current environment.
        wants: The resources that it requests.
    """

    name: str
    folder: Path
    python: Path | None = None
    wants: ResourceRequest = field(default_factory=ResourceRequest)


class Pool:
    """Runs jobs; a context manager that leaves no process behind.

    While it is open, this process adopts orphaned descendants (Linux); the pool ends those of its hosts.

    Args:
        log: The file that receives the hosts' standard error.
        parallel: The maximum number of jobs at a time.
        cluster: The command of the one host that runs all jobs on a cluster and allocates its resources.
        warm: Whether the host of the current environment starts at once; else with its first job.
    """

    def __init__(
        self, log: Path, parallel: int = 1, cluster: Sequence[str] | None = None, warm: bool = True
    ) -> None:
        self.parallel = parallel
        self.cluster = cluster
        self._log, self._warm = log, warm
        self._mark = uuid.uuid4().hex
        self._hosts: dict[Path | None, WorkerHostClient] = {}
        self._waiting: deque[CandidateJob] = deque()
        self._running: dict[str, CandidateJob] = {}
        self._unfit: list[HostEvent] = []
        self._stopped: dict[str, str] = {}
        self._made_shares: ResourceAllocator | None = None
        self._watch = MemoryWatch(self._stop_with)

    def __enter__(self) -> Pool:
        reaper.adopt()
        if self._warm:
            self.warm_up()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        reaper.adopt(False)

    def warm_up(self, python: Path | None = None) -> None:
        """Start an environment's host, which imports in the background."""
        self._host(python).start()

    def submit(self, job: CandidateJob) -> None:
        """Queue a job."""
        self._waiting.append(job)
        self._feed()

    @property
    def busy(self) -> bool:
        """Whether jobs wait or run."""
        return bool(self._waiting or self._running or self._unfit)

    @property
    def running(self) -> list[str]:
        """The jobs that were sent to a host and have not ended."""
        return list(self._running)

    def events(self, timeout: float = _CHECK) -> Iterator[HostEvent]:
        """Yield the events since the last call, waiting at most ``timeout`` seconds for the first.

        Raises:
            MlpipesError: A host died too often.
        """
        self._feed()
        unfit, self._unfit = self._unfit, []
        yield from unfit
        with selectors.DefaultSelector() as selector:
            for host in self._hosts.values():
                if host.output is not None:
                    selector.register(host.output, selectors.EVENT_READ, host)
            if not selector.get_map():
                return
            ready = [key.data for key, _ in selector.select(timeout)]
        lost: MlpipesError | None = None
        for host in ready or [host for host in self._hosts.values() if host.gone]:
            events = [self._seen(event) for event in host.events()]
            if host.pid is None:  # the host died, and its jobs with it
                self._end_strays()
            try:
                self._feed()  # the next job runs while the caller stores the results
            except MlpipesError as error:  # report the ended jobs first
                lost = error
            yield from events
        if lost is not None:
            raise lost
        self._feed()

    def stop(self, job: str) -> None:
        """Kill a job; its end arrives as an event. A waiting job is removed without an event."""
        self._waiting = deque(item for item in self._waiting if item.name != job)
        for host in self._hosts.values():
            host.stop(job)

    def close(self) -> None:
        """End the hosts and all jobs."""
        self._waiting.clear()
        self._watch.close()
        for host in self._hosts.values():
            host.close()
        self._running.clear()
        self._end_strays()

    def _stop_with(self, job: str, reason: str) -> None:
        self._stopped[job] = reason
        for host in list(self._hosts.values()):
            host.stop(job)

    def _seen(self, event: HostEvent) -> HostEvent:
        job = self._running.get(event.job)
        if event.kind == "started" and job is not None and self.cluster is None:
            self._watch.add(event.job, event.pid, job.wants.memory)
        if event.kind != "ended":
            return event
        self._watch.remove(event.job)
        self._running.pop(event.job, None)
        self._shares.give_back(event.job)
        reason = self._stopped.pop(event.job, "")
        return replace(event, reason=reason) if reason and event.signal == signal.SIGKILL else event

    def _end_strays(self) -> None:
        """Kill the adopted orphans of hosts that died together with their guard."""
        keep = [host.pid for host in self._hosts.values() if host.pid is not None]
        sessions = set[int]().union(*(host.sessions for host in self._hosts.values()))
        reaper.sweep(keep, lambda pid: reaper.session(pid) in sessions or reaper.carries(pid, self._mark))

    @property
    def _shares(self) -> ResourceAllocator:
        if self._made_shares is None:
            self._made_shares = ResourceAllocator(hardware.cores(), hardware.gpus, hardware.memory().total)
        return self._made_shares

    def _host(self, python: Path | None) -> WorkerHostClient:
        key = None if self.cluster else python
        if key not in self._hosts:
            command = list(self.cluster or host_client.command(python))
            executable = Path(command[0]) if self.cluster else python
            environment = _environment(self._log.parent, executable) | {protocol.MARK: self._mark}
            self._hosts[key] = WorkerHostClient(self._log, command, environment)
        return self._hosts[key]

    def _feed(self) -> None:
        """Start the jobs that fit, in the queue's order; later jobs may overtake one that has to wait."""
        for job in list(self._waiting):
            if len(self._running) >= self.parallel:
                return
            self._start(job)

    def _start(self, job: CandidateJob) -> None:
        allocation: dict[str, object] = {"wants": vars(job.wants)}
        if self.cluster is None:
            share = self._shares.take(job.name, job.wants, self.parallel)
            if share is None and self._running:
                return
            if share is None:
                self._waiting.remove(job)
                found = f"it requests {job.wants.gpu:g} GPUs; this machine has {len(hardware.gpus())}"
                self._unfit.append(HostEvent("ended", job.name, reason=found))
                return
            allocation = {"cores": share.cores, "gpus": share.gpus}
        self._waiting.remove(job)
        self._running[job.name] = job
        self._host(job.python).run(job.name, job.folder, **allocation)


def _environment(scratch: Path, python: Path | None) -> dict[str, str]:
    """Return the environment variables of a host.

    Numerical libraries get one thread each until a job requests more; string hashes are the same each time.
    """
    quiet = {
        protocol.SCRATCH: str(scratch.absolute()),
        "PYTHONHASHSEED": "0",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MPLBACKEND": "Agg",
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": os.environ.get("PYTHONWARNINGS", "default"),
    }
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    made = {**os.environ, **quiet, **single}
    if python is not None:  # hide the current environment from the other interpreter
        for name in ("PYTHONPATH", "PYTHONHOME", "__PYVENV_LAUNCHER__"):
            made.pop(name, None)
        made |= {"VIRTUAL_ENV": str(python.parent.parent), "PYTHONNOUSERSITE": "1"}
        made["PATH"] = os.pathsep.join([str(python.parent), os.environ.get("PATH", os.defpath)])
    return made
