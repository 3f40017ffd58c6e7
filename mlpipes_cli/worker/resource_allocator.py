"""Who may start next to whom, and on which cores and GPUs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class ResourceRequest:
    """What a job asks for.

    Attributes:
        cpu: Cores, or None for one that is not kept for it.
        gpu: GPUs; a part of one may be shared.
        memory: Bytes that it may hold, or None.
    """

    cpu: int | None = None
    gpu: float = 0.0
    memory: int | None = None


@dataclass(frozen=True)
class Allocation:
    """What a job got: cores and GPUs, or None for all."""

    wants: ResourceRequest
    cores: tuple[int, ...] | None = None
    gpus: tuple[str, ...] | None = None


class ResourceAllocator:
    """What the running jobs share.

    Args:
        cores: Numbers of the cores.
        gpus: Finds the names of the GPUs; called when one is asked for.
        memory: Bytes in all.
    """

    def __init__(self, cores: Sequence[int], gpus: Callable[[], Sequence[str]], memory: int) -> None:
        self._cores, self._find_gpus, self._memory = list(cores), gpus, memory
        self._left: dict[str, float] = {}
        self._taken: dict[str, Allocation] = {}

    def take(self, job: str, wants: ResourceRequest, parallel: int) -> Allocation | None:
        """A job's share, or None while it has to wait; one that runs alone gets what there is.

        As many cores may be asked for together as there are, or as ``parallel`` jobs of one core would
        need; as much memory as there is. GPUs are never given twice.
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
        """A job ended."""
        share = self._taken.pop(job, None)
        for name in share.gpus or () if share else ():
            assert share is not None
            self._left[name] = min(1.0, self._left[name] + min(1.0, share.wants.gpu))

    def _free_cores(self, number: int | None) -> tuple[int, ...] | None:
        """Cores that no other has, where they suffice; else the kernel shares them out as it likes."""
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
