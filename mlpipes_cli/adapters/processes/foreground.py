"""Report and stop the servers that `mlpipes serve` runs in the foreground, together with the stack."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mlpipes_cli import server_registry
from mlpipes_cli.adapters.processes import process, service_status
from mlpipes_cli.adapters.processes.process import ProcessIdentity
from mlpipes_cli.ports import ServiceStatus
from mlpipes_cli.server_registry import RunningServer
from mlpipes_cli.services import catalog
from mlpipes_cli.services.probes import HttpProbe

if TYPE_CHECKING:
    import psutil

    from mlpipes_cli.project import ProjectFolder

API = catalog.API
_PATIENCE = 45.0  # the server first answers requests in flight, for up to 30 s


def read_status(project: ProjectFolder) -> tuple[ServiceStatus, ...]:
    """Return the status of each foreground server, the newest first."""
    return tuple(_status(api, lead) for api, lead in _running(project))


def url(project: ProjectFolder) -> str | None:
    """Return the URL of the newest ready prediction API; MLflow's own scoring server does not count."""
    return next((api.url for api, _ in _running(project) if api.ready and api.engine == "api"), None)


def strays(project: ProjectFolder) -> list[psutil.Process]:
    """Return the remaining processes of foreground servers that have exited."""
    marked = process.marked(project.root, process.FOREGROUND)
    kept = (
        {member.pid for _, lead in _running(project) for member in process.family(lead)} if marked else set()
    )
    return [member for member in marked if member.pid not in kept]


def end(project: ProjectFolder) -> int:
    """Stop all foreground servers; return the number of processes.

    Raises:
        MlpipesError: A process cannot be stopped.
    """
    count = process.end(lambda: [lead for _, lead in _running(project)], patience=_PATIENCE)
    return count + process.end(lambda: process.marked(project.root, process.FOREGROUND))


def _running(project: ProjectFolder) -> Iterator[tuple[RunningServer, psutil.Process]]:
    """Yield each foreground server with its process.

    Services of the stack are registered too; they are skipped, by the service name in their environment.
    """
    notes = sorted(server_registry.everyone(project), key=lambda api: -api.created)
    for api in notes:
        lead = ProcessIdentity(api.pid, api.created).process()
        if lead and process.marks(lead).get(process.SERVICE_MARK) is None:
            yield api, lead


def _status(api: RunningServer, lead: psutil.Process) -> ServiceStatus:
    address = urlsplit(api.url)
    answer = HttpProbe("GET", api.question).answer(address.port or 80, address.hostname or "127.0.0.1")
    uptime = max(0.0, time.time() - api.created)
    state, health = service_status.condition(answer, uptime)
    detail = "in the foreground" if state == "running" else f"in the foreground: {api.model} ({api.alias})"
    return ServiceStatus(
        name=API,
        state=state,
        url=api.url if state == "running" else None,
        port=address.port,
        pid=api.pid,
        uptime=uptime,
        memory=process.memory(process.family(lead)),
        detail=f"{detail}; {service_status.NOT_STORING}" if answer == service_status.NOT_READY else detail,
        health=health,
        ports=(str(address.port),) if address.port else (),
    )
