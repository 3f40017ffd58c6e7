"""Build the status of a service that is a local process."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlpipes_cli.adapters.processes import process
from mlpipes_cli.adapters.processes.state import RunningProcess
from mlpipes_cli.ports import Health, ServiceStatus, State

if TYPE_CHECKING:
    import psutil

_STARTING = 120.0
_REPAIR = "`mlpipes up` starts it"
WELL = 200
NOT_READY = 503  # the service answers but is not ready
NOT_STORING = "it answers, but the database is not accepting predictions"
RESTORE = "`mlpipes restore` brings back its tables from a backup, `mlpipes up` makes an empty schema"


def removed(schemas: Sequence[str]) -> str:
    """Return the line for a database whose schemas somebody removed."""
    return f"the schema {' and '.join(schemas)} was removed from the database"


def absent(name: str, *, expected: bool) -> ServiceStatus:
    """Return the status of a service without a main process.

    Args:
        name: The service's name.
        expected: The service was started and not stopped, or processes of it are left.
    """
    if expected:
        return ServiceStatus(name, "failed", detail=f"it has exited; {_REPAIR}", health="unhealthy")
    return ServiceStatus(name, "stopped")


def present(
    name: str, main: RunningProcess, members: list[psutil.Process], url: str, *, answer: int | None
) -> ServiceStatus:
    """Return the status of a service with a main process.

    ``answer`` is the HTTP status of its response to a probe, or None if there was no response.
    """
    uptime = max(0.0, time.time() - main.identity.created)
    state, health = condition(answer, uptime)
    silent = "it does not answer" + ("" if state == "starting" else f"; {_REPAIR}")
    return ServiceStatus(
        name=name,
        state=state,
        url=url if state == "running" else None,
        port=main.port,
        pid=main.identity.pid,
        uptime=uptime,
        memory=process.memory(members),
        detail=NOT_STORING if answer == NOT_READY else "" if state == "running" else silent,
        health=health,
        ports=(str(main.port),),
    )


def condition(answer: int | None, uptime: float) -> tuple[State, Health]:
    """Return state and health by the HTTP status of a probe's response and the uptime in seconds."""
    if answer == NOT_READY:
        return "running", "unhealthy"
    if answer == WELL:
        return "running", "healthy"
    return ("starting", "starting") if uptime < _STARTING else ("failed", "unhealthy")
