"""Decides which jobs may run at the same time, and on which cores and GPUs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class ResourceRequest:
    """The resources that a job requests.

    Attributes:
        cpu: Cores, or None for one core that is not reserved.
        gpu: GPUs; a fraction of one may be shared.
        memory: Bytes that it may hold, or None.
    """

    cpu: int | None = None
    gpu: float = 0.0
    memory: int | None = None


@dataclass(frozen=True)
class Allocation:
    """The cores and GPUs of a job, or None for all."""

    wants: ResourceRequest
    cores: tuple[int, ...] | None = None
    gpus: tuple[str, ...] | None = None


class ResourceAllocator:
    """Allocates the machine's resources to running jobs.

    Args:
        cores: Numbers of the cores.
        gpus: Returns the names of the GPUs; called when one is requested.
        memory: Bytes in all.
    """

    def __init__(self, cores: Sequence[int], gpus: Callable[[], Sequence[str]], memory: int) -> None:
        self._cores, self._find_gpus, self._memory = list(cores), gpus, memory
        self._left: dict[str, float] = {}
        self._taken: dict[str, Allocation] = {}

    def take(self, job: str, wants: ResourceRequest, parallel: int) -> Allocation | None:
        """Allocate a job's share, or return None while it has to wait.

        A job that runs alone gets what there is. Jobs may request as many cores together as there are, or as
        ``parallel`` jobs of one core would need, and as much memory as there is. A GPU is never allocated
        twice.
        """
        gpus = self._gpus(wants.gpu)
        if gpus is None:
            return None
        others = [share.wants for share in self._taken.values()]
        if others:
            cpu = sum(other.cpu or 1 for other in others) + (wants.cpu or 1)
            memory = sum(other.memory or 0 for other in others) + (wants.memory or 0)
            if cpu > max(len(self._cores), parallel) or (wants.memory and memory > self._memory):
                return None
        share = Allocation(wants, self._free_cores(wants.cpu), gpus or None)
        for name in gpus:
            self._left[name] -= min(1.0, wants.gpu)
        self._taken[job] = share
        return share

    def give_back(self, job: str) -> None:
        """Release the share of a job that has ended."""
        share = self._taken.pop(job, None)
        for name in share.gpus or () if share else ():
            assert share is not None
            self._left[name] = min(1.0, self._left[name] + min(1.0, share.wants.gpu))

    def _free_cores(self, number: int | None) -> tuple[int, ...] | None:
        """Return unallocated cores if there are enough; else None, and the kernel schedules the job."""
        if number is None:
            return None
        used = {core for share in self._taken.values() for core in share.cores or ()}
        free = [core for core in self._cores if core not in used]
        return tuple(free[:number]) if len(free) >= number else None

    def _gpus(self, number: float) -> tuple[str, ...] | None:
        if number <= 0:
            return ()
        self._left = dict.fromkeys(self._find_gpus(), 1.0) | self._left
        whole = min(1.0, number)
        free = [name for name, left in self._left.items() if left >= whole - 1e-9]
        wanted = math.ceil(number)
        return tuple(free[:wanted]) if len(free) >= wanted else None
