"""What is known of a service that is a process of this machine."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mlpipes_cli.adapters.processes import process
from mlpipes_cli.adapters.processes.state import Running
from mlpipes_cli.ports import Health, ServiceStatus, State

if TYPE_CHECKING:
    import psutil

_STARTING = 120.0
_REPAIR = "`mlpipes up` brings it back"


def absent(name: str, *, expected: bool) -> ServiceStatus:
    """A service without a main process.

    Args:
        name: The service's.
        expected: It was started once and never stopped, or left processes behind.
    """
    if expected:
        return ServiceStatus(name, "failed", detail=f"it has ended; {_REPAIR}", health="unhealthy")
    return ServiceStatus(name, "stopped")


def present(
    name: str, main: Running, members: list[psutil.Process], url: str, *, works: bool
) -> ServiceStatus:
    """A service with a main process, which answers a query or not."""
    uptime = max(0.0, time.time() - main.identity.created)
    state: State = "running" if works else "starting" if uptime < _STARTING else "failed"
    health: Health = "healthy" if works else "starting" if state == "starting" else "unhealthy"
    return ServiceStatus(
        name=name,
        state=state,
        url=url if works else None,
        port=main.port,
        pid=main.identity.pid,
        uptime=uptime,
        memory=process.memory(members),
        detail="" if works else "it does not answer" + ("" if state == "starting" else f"; {_REPAIR}"),
        health=health,
        ports=(str(main.port),),
    )
