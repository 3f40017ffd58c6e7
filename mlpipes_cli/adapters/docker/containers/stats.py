"""The main process and the memory of a container: asked of this system where it runs here."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docker.api import APIClient

_GROUPS = Path("/sys/fs/cgroup")


def main_process(container: str, state: Mapping[str, Any], *, local: bool) -> int | None:
    """The pid of a container's main process, where it is one of this very system and not of a virtual one.

    Args:
        container: The engine's id.
        state: What the engine says of its state.
        local: Whether the engine is on this machine.
    """
    pid = int(state.get("Pid") or 0)
    if not pid or not local:
        return None
    return pid if any(container in path for path in _groups(pid).values()) else None


def memory(api: APIClient, container: str, pid: int | None) -> int | None:
    """Bytes in use without what the system may drop at any time; None where that cannot be known.

    Asking the engine takes it a second, so the system's own books are read where they are at hand.
    """
    return (_from_system(pid) if pid else None) or _from_engine(api, container)


def _groups(pid: int) -> dict[str, str]:
    """A process's control groups: the path by controller, under an empty name in the newer hierarchy."""
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
