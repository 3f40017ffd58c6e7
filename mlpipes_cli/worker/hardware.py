"""Detects the machine's processor cores, GPUs and memory, within the limits of a container."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_NO_LIMIT = 2**60  # cgroups of version 1 report a number near 2**63 if there is no limit


@dataclass(frozen=True)
class Memory:
    """Bytes of memory of this machine, or of the container that this process runs in.

    Attributes:
        total: The total memory.
        available: The memory that can be allocated now without killing or swapping anything.
    """

    total: int
    available: int


def cores() -> list[int]:
    """Return the numbers of the processor cores that this process may use."""
    try:
        return sorted(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        return list(range(os.cpu_count() or 1))


@lru_cache(maxsize=1)
def gpus() -> list[str]:
    """Return the values that ``CUDA_VISIBLE_DEVICES`` may name; empty without ``nvidia-smi``."""
    if not (program := shutil.which("nvidia-smi")):
        return []
    try:
        output = subprocess.run(
            [program, "-L"], capture_output=True, text=True, timeout=30, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    found = [
        str(number) for number, _ in enumerate(li for li in output.splitlines() if li.startswith("GPU "))
    ]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return found if visible is None else [name for name in visible.split(",") if name.strip()][: len(found)]


def memory(root: Path = Path("/")) -> Memory:
    """Return the total memory and the memory available now.

    Args:
        root: The folder that contains ``proc`` and ``sys``.
    """
    if sys.platform != "linux":
        import psutil

        now = psutil.virtual_memory()
        return Memory(now.total, now.available)
    fields = _numbers(root / "proc/meminfo", 1024)
    total, available = fields.get("MemTotal", 0), fields.get("MemAvailable", 0)
    for limit, used in _limits(root):
        if limit < total:
            total = limit
        available = min(available, max(0, limit - used))
    return Memory(total, available)


def _limits(root: Path) -> list[tuple[int, int]]:
    """Return limit and use of each control group of this process, without cache that the kernel can drop."""
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
            for depth in range(len(parts), -1, -1):  # in a container the path may be that of the host
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
    """Return the bytes of memory that processes hold together.

    Resident memory is summed first, which is cheap but counts shared pages once for each process. Only if the
    sum reaches ``at_least`` bytes, the proportional share (PSS) is read, for which the kernel walks all
    pages.
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
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return resident
    return next(
        (int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:")), resident
    )


def _held_by_psutil(pids: list[int]) -> int:
    import psutil

    total = 0
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            total += int(psutil.Process(pid).memory_info().rss)
    return total


def trees(pids: list[int]) -> list[list[int]]:
    """Return each process with all its descendants, including those that left its process group."""
    if sys.platform == "linux":
        from mlpipes_cli.child_process import reaper

        children = reaper.family()
        return [[pid, *reaper.descendants([pid], children)] for pid in pids]
    import psutil

    found = [[pid] for pid in pids]
    for tree in found:
        with contextlib.suppress(psutil.Error):
            tree += [child.pid for child in psutil.Process(tree[0]).children(recursive=True)]
    return found
