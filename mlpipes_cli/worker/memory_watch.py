"""Watches the memory of running jobs, and stops the largest ones before the machine runs out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from mlpipes_cli.worker import hardware

PERIOD = 0.25  # seconds between two checks
_FLOOR_SHARE, _FLOOR_LEAST, _FLOOR_MOST = 0.05, 128 * 2**20, 2**30


@dataclass(frozen=True)
class WatchedJob:
    """A running job.

    Attributes:
        pid: The process id.
        limit: Bytes that it and its descendants may hold, or None.
    """

    pid: int
    limit: int | None


def floor(total: int) -> int:
    """Return the bytes of a machine's memory to keep free: 5 %, at least 128 MiB and at most 1 GiB."""
    return int(min(max(total * _FLOOR_SHARE, _FLOOR_LEAST), _FLOOR_MOST))


def amount(size: float) -> str:
    """Return a number of bytes as text."""
    text = f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"
    return text.replace(".0 ", " ")


class MemoryWatch:
    """Checks the memory in a thread of its own, since the main process may be busy with logging.

    Args:
        stop: Called once for each job to stop, with its name and the reason.
        memory: Returns the machine's memory.
        period: Seconds between two checks.
    """

    def __init__(
        self,
        stop: Callable[[str, str], None],
        memory: Callable[[], hardware.Memory] = hardware.memory,
        period: float = PERIOD,
    ) -> None:
        self._stop, self._memory, self._period = stop, memory, period
        self._jobs: dict[str, WatchedJob] = {}
        self._stopped: set[str] = set()
        self._lock, self._end = threading.Lock(), threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, job: str, pid: int, limit: int | None) -> None:
        """Watch a job that has started."""
        with self._lock:
            self._jobs[job] = WatchedJob(pid, limit)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="mlpipes-memory", daemon=True)
            self._thread.start()

    def remove(self, job: str) -> None:
        """Stop watching a job that has ended."""
        with self._lock:
            self._jobs.pop(job, None)
            self._stopped.discard(job)

    def close(self) -> None:
        """End the thread."""
        self._end.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(self._period):
            if self._jobs:
                self.look()

    def look(self) -> None:
        """Check once: stop each job over its limit; else, if the machine has too little left, the largest."""
        with self._lock:
            jobs = dict(self._jobs)
        trees = dict(zip(jobs, hardware.trees([job.pid for job in jobs.values()]), strict=True))
        over = []
        for name, job in jobs.items():
            if job.limit is not None and (used := hardware.held(trees[name], job.limit + 1)) > job.limit:
                text = f"used {amount(used)}, more than its limit of {amount(job.limit)}"
                over.append((name, f"{text} (resources -> memory)"))
        now = self._memory()
        if not over and now.available < floor(now.total) and not self._stopped.intersection(jobs):
            over = self._greediest(jobs, trees, now)
        for name, reason in over:
            self._tell(name, reason)

    def _greediest(
        self, jobs: dict[str, WatchedJob], trees: dict[str, list[int]], now: hardware.Memory
    ) -> list[tuple[str, str]]:
        """Return the largest job without a limit, if any: a job within its limit keeps its memory."""
        free = [name for name, job in jobs.items() if job.limit is None] or list(jobs)
        held = {name: hardware.held(trees[name]) for name in free}
        name = max(held, key=lambda name: held[name], default="")
        if not name or held[name] < floor(now.total):  # other processes hold the memory
            return []
        text = f"used {amount(held[name])} when the machine had only {amount(now.available)} of memory left"
        return [(name, f"{text}; try fewer rows, a smaller model or --parallel 1")]

    def _tell(self, name: str, reason: str) -> None:
        with self._lock:
            if name not in self._jobs or name in self._stopped:
                return
            self._stopped.add(name)
        self._stop(name, reason)
