"""Check an engine's capabilities before anything is changed."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli.adapters.docker.errors.translate import translate_errors
from mlpipes_cli.errors import MlpipesError

if TYPE_CHECKING:
    from mlpipes_cli.adapters.docker.engine.connection import DockerEngine
    from mlpipes_cli.compose.model import Service
    from mlpipes_cli.ports import Reporter

GIGABYTE = 1024**3
_DISK_FAULT, _DISK_WARNING = 0.5 * GIGABYTE, 3 * GIGABYTE


@dataclass(frozen=True)
class EngineCapabilities:
    """Describes an engine's version, resources and supported limits.

    Attributes:
        version: The engine's version.
        kind: The kind of containers: linux or windows.
        folder: The engine's data folder, on its own machine.
        free: Free bytes there; None if this process cannot see the folder.
        memory: Bytes of its machine.
        cpus: Processors of its machine.
        driver: How images are stored.
        limits_memory: Whether it can bound a container's memory.
        limits_cpus: Whether it can bound a container's processors.
        limits_swap: Whether it can keep a container from swap.
        limits_pids: Whether it can bound a container's processes.
    """

    version: str
    kind: str
    folder: str
    free: int | None
    memory: int
    cpus: int
    driver: str
    limits_memory: bool
    limits_cpus: bool
    limits_swap: bool = True
    limits_pids: bool = True


def read_capabilities(engine: DockerEngine) -> EngineCapabilities:
    """Query the engine's capabilities.

    Raises:
        MlpipesError: The engine does not answer.
    """
    with translate_errors("reading the Docker engine's properties"):
        info: Mapping[str, Any] = engine.client.api.info()
    folder = str(info.get("DockerRootDir") or "")
    return EngineCapabilities(
        version=str(info.get("ServerVersion") or ""),
        kind=str(info.get("OSType") or "linux"),
        folder=folder,
        free=_free(folder) if engine.local else None,
        memory=int(info.get("MemTotal") or 0),
        cpus=int(info.get("NCPU") or 0),
        driver=str(info.get("Driver") or ""),
        limits_memory=bool(info.get("MemoryLimit", True)),
        limits_cpus=bool(info.get("CpuCfsQuota", True)),
        limits_swap=bool(info.get("SwapLimit", True)),
        limits_pids=bool(info.get("PidsLimit", True)),
    )


def _free(folder: str) -> int | None:
    """Return the free bytes; None if the folder is not visible, as in Docker Desktop's virtual machine."""
    try:
        return shutil.disk_usage(folder).free if folder and Path(folder).is_dir() else None
    except OSError:
        return None


def check(engine: DockerEngine, services: Sequence[Service], reporter: Reporter) -> None:
    """Reject an engine on which the stack cannot work, and warn of limitations.

    Raises:
        MlpipesError: The stack cannot work on the engine.
    """
    found = read_capabilities(engine)
    for level, what, fix in findings(found, services):
        if level == "fault":
            raise MlpipesError(what, fix)
        reporter.warn(f"{what}; {fix}")


def findings(found: EngineCapabilities, services: Iterable[Service]) -> list[tuple[str, str, str]]:
    """Return (fault or warning, problem, fix) for each problem, faults first."""
    problems: list[tuple[str, str, str]] = []
    if found.kind != "linux":
        problems.append(
            ("fault", f"the Docker engine runs {found.kind} containers", "switch it to Linux containers")
        )
    if found.free is not None and found.free < _DISK_WARNING:
        level = "fault" if found.free < _DISK_FAULT else "warning"
        what = f"{found.free / GIGABYTE:.1f} GB free in {found.folder}, where Docker keeps its data"
        problems.append(
            (level, what, "free disk space: a full disk stops the database (see `docker system df`)")
        )
    wanted = sum(service.mem_limit or 0 for service in services)
    if found.memory and wanted > found.memory:
        what = f"the services may use {_gb(wanted)}, but the engine's machine has only {_gb(found.memory)}"
        problems.append(("warning", what, "lower `memory:` in mlpipes.yaml, or give Docker more memory"))
    kept = {
        "memory": found.limits_memory,
        "swap": found.limits_swap or not found.limits_memory,
        "processors": found.limits_cpus,
        "processes": found.limits_pids,
    }
    lacks = [word for word, can in kept.items() if not can]
    if lacks:
        what = f"this engine cannot limit {_listed(lacks)}: the services run without these limits"
        problems.append(
            ("warning", what, "let the engine use cgroup v2 (rootless: delegate its controllers)")
        )
    if found.driver == "vfs":
        what = "the engine stores images with vfs, which is slow and large"
        problems.append(("warning", what, "use overlay2, or fuse-overlayfs where rootless"))
    return sorted(problems, key=lambda problem: problem[0] != "fault")


def _listed(words: Sequence[str]) -> str:
    return " and ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)


def _gb(size: int) -> str:
    return f"{size / GIGABYTE:.1f} GB"


def without_unsupported(found: EngineCapabilities, service: Service) -> Service:
    """Return the service with the limits that the engine supports; it rejects more CPUs than it has."""
    return replace(
        service,
        mem_limit=service.mem_limit if found.limits_memory else None,
        memswap_limit=service.memswap_limit if found.limits_memory and found.limits_swap else None,
        pids_limit=service.pids_limit if found.limits_pids else None,
        cpus=_within(service.cpus, found) if found.limits_cpus else None,
    )


def _within(cpus: float | None, found: EngineCapabilities) -> float | None:
    return min(cpus, found.cpus) if cpus and found.cpus else cpus
