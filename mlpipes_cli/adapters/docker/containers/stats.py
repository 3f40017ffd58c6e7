"""Find a container's main process and memory use: from the local system if the container runs on it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docker.api import APIClient

_GROUPS = Path("/sys/fs/cgroup")


def main_process(container: str, state: Mapping[str, Any], *, local: bool) -> int | None:
    """Return the pid of a container's main process; None if it runs on another or a virtual machine.

    Args:
        container: The container's id.
        state: The container's state as the engine reports it.
        local: Whether the engine is on this machine.
    """
    pid = int(state.get("Pid") or 0)
    if not pid or not local:
        return None
    return pid if any(container in path for path in _groups(pid).values()) else None


def memory(api: APIClient, container: str, pid: int | None) -> int | None:
    """Return the memory in use in bytes, without reclaimable cache; None if it is unknown.

    A query to the engine takes a second, so the system's control groups are read if possible.
    """
    return (_from_system(pid) if pid else None) or _from_engine(api, container)


def _groups(pid: int) -> dict[str, str]:
    """Return a process's control groups: the path by controller, with an empty name for cgroup v2."""
    with contextlib.suppress(OSError):
        rows = [row.split(":", 2) for row in Path(f"/proc/{pid}/cgroup").read_text().splitlines()]
        return {name: path.lstrip("/") for _, names, path in rows for name in names.split(",")}
    return {}


def _from_system(pid: int) -> int | None:
    groups = _groups(pid)
    older = groups.get("memory")
    folder = _GROUPS / "memory" / older if older else _GROUPS / groups.get("", "")
    used, cached = ("usage_in_bytes", "total_inactive_file") if older else ("current", "inactive_file")
    with contextlib.suppress(OSError, ValueError, IndexError):
        rows = (row.split() for row in (folder / "memory.stat").read_text().splitlines())
        dropped = {row[0]: int(row[1]) for row in rows}.get(cached, 0)
        return max(0, int((folder / f"memory.{used}").read_text()) - dropped)
    return None


def _from_engine(api: APIClient, container: str) -> int | None:
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    with contextlib.suppress(DockerException, RequestException, KeyError, TypeError, ValueError):
        found: dict[str, Any] = api.stats(container, stream=False, one_shot=True)["memory_stats"]
        counts = found.get("stats", {})
        dropped = counts.get("inactive_file", counts.get("total_inactive_file", 0))
        return max(0, int(found["usage"]) - int(dropped))
    return None
