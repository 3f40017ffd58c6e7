"""What this machine has to give: processor cores, GPUs, memory; a container's limits count."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_NO_LIMIT = 2**60  # cgroups of version 1 say a number near 2**63 where there is none


@dataclass(frozen=True)
class Memory:
    """Bytes of this machine, or of the container that we are in.

    Attributes:
        total: All.
        available: What could be taken now without anything being killed or swapped out.
    """

    total: int
    available: int


def cores() -> list[int]:
    """The numbers of the processor cores that we may use."""
    try:
        return sorted(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        return list(range(os.cpu_count() or 1))


@lru_cache(maxsize=1)
def gpus() -> list[str]:
    """What ``CUDA_VISIBLE_DEVICES`` may name here; empty without ``nvidia-smi``."""
    if not (program := shutil.which("nvidia-smi")):
        return []
    try:
        told = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    found = [str(number) for number, _ in enumerate(li for li in told.splitlines() if li.startswith("GPU "))]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return found if visible is None else [name for name in visible.split(",") if name.strip()][: len(found)]


def memory(root: Path = Path("/")) -> Memory:
    """What there is now.

    Args:
        root: Where ``proc`` and ``sys`` are.
    """
    if sys.platform != "linux":
        import psutil

        now = psutil.virtual_memory()
        return Memory(now.total, now.available)
    told = _numbers(root / "proc/meminfo", 1024)
    total, available = told.get("MemTotal", 0), told.get("MemAvailable", 0)
    for limit, used in _limits(root):
        if limit < total:
            total = limit
        available = min(available, max(0, limit - used))
    return Memory(total, available)


def _limits(root: Path) -> list[tuple[int, int]]:
    """Limit and use (without files that the kernel can drop) of each control group that we are in."""
    found = []
    with contextlib.suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers == "":
                base, names = root / "sys/fs/cgroup", ("memory.max", "memory.current", "inactive_file")
            elif "memory" in controllers.split(","):
                base = root / "sys/fs/cgroup/memory"
                names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            else:
                continue
            parts = [part for part in path.split("/") if part not in ("", "..")]
            for depth in range(len(parts), -1, -1):  # in a container the path may be that of the outside
                folder = base.joinpath(*parts[:depth])
                limit, used = _number(folder / names[0]), _number(folder / names[1])
                if limit is not None and used is not None and limit < _NO_LIMIT:
                    found.append((limit, used - _numbers(folder / "memory.stat").get(names[2], 0)))
    return found


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # "max"
        return None


def _numbers(path: Path, unit: int = 1) -> dict[str, int]:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return {}
    parts = [line.replace(":", " ").split() for line in lines]
    return {part[0]: int(part[1]) * unit for part in parts if len(part) > 1 and part[1].isdigit()}


def held(pids: list[int], at_least: int = 0) -> int:
    """Bytes of memory that processes hold together.

    Memory that is resident is summed first, which is cheap and counts shared pages for each. Only where
    that comes to ``at_least`` bytes the proportional share (PSS) is asked for: the kernel walks all pages.
    """
    if sys.platform != "linux":
        return _held_by_psutil(pids)
    resident = {pid: _resident(pid) for pid in pids}
    if sum(resident.values()) < max(1, at_least):
        return sum(resident.values())
    return sum(_share(pid, most) for pid, most in resident.items())


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0


def _share(pid: int, resident: int) -> int:
    try:
        told = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return resident
    return next(
        (int(line.split()[1]) * 1024 for line in told.splitlines() if line.startswith("Pss:")), resident
    )


def _held_by_psutil(pids: list[int]) -> int:
    import psutil

    total = 0
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            total += int(psutil.Process(pid).memory_info().rss)
    return total


def trees(pids: list[int]) -> list[list[int]]:
    """Each process with all that it started, also what left its group."""
    if sys.platform == "linux":
        from mlpipes_cli.worker import reaper

        children = reaper.family()
        return [[pid, *reaper.descendants([pid], children)] for pid in pids]
    import psutil

    found = [[pid] for pid in pids]
    for tree in found:
        with contextlib.suppress(psutil.Error):
            tree += [child.pid for child in psutil.Process(tree[0]).children(recursive=True)]
    return found
