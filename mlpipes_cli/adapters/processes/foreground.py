"""The servers that `mlpipes serve` runs in front of somebody, seen and ended with the stack."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mlpipes_cli import server_registry
from mlpipes_cli.adapters.processes import process, service_status
from mlpipes_cli.adapters.processes.daemon import HttpProbe
from mlpipes_cli.adapters.processes.process import ProcessIdentity
from mlpipes_cli.ports import ServiceStatus
from mlpipes_cli.server_registry import RunningServer

if TYPE_CHECKING:
    import psutil

    from mlpipes_cli.project import ProjectFolder

API = "api"
_PATIENCE = 45.0  # requests in flight are answered first, for which it takes up to 30 s


def read_status(project: ProjectFolder) -> tuple[ServiceStatus, ...]:
    """What is known of each, the newest first."""
    return tuple(_status(api, lead) for api, lead in _running(project))


def url(project: ProjectFolder) -> str | None:
    """Where the prediction API that started last answers; MLflow's own server is none."""
    return next((api.url for api, _ in _running(project) if api.ready and api.engine == "api"), None)


def strays(project: ProjectFolder) -> list[psutil.Process]:
    """What is left of those that have ended."""
    marked = process.marked(project.root, process.FOREGROUND)
    kept = {one.pid for _, lead in _running(project) for one in process.family(lead)} if marked else set()
    return [one for one in marked if one.pid not in kept]


def end(project: ProjectFolder) -> int:
    """End them all; returns how many processes there were.

    Raises:
        MlpipesError: One cannot be ended.
    """
    count = process.end(lambda: [lead for _, lead in _running(project)], patience=_PATIENCE)
    return count + process.end(lambda: process.marked(project.root, process.FOREGROUND))


def _running(project: ProjectFolder) -> Iterator[tuple[RunningServer, psutil.Process]]:
    """Each with its process; a service of the stack leaves a note too, but carries the stack's marks."""
    notes = sorted(server_registry.everyone(project), key=lambda api: -api.created)
    for api in notes:
        lead = ProcessIdentity(api.pid, api.created).process()
        if lead and process.marks(lead).get(process.SERVICE_MARK) is None:
            yield api, lead


def _status(api: RunningServer, lead: psutil.Process) -> ServiceStatus:
    place = urlsplit(api.url)
    answer = HttpProbe("GET", api.question).answer(place.port or 80, place.hostname or "127.0.0.1")
    uptime = max(0.0, time.time() - api.created)
    state, health = service_status.condition(answer, uptime)
    detail = "in the foreground" if state == "running" else f"in the foreground: {api.model} ({api.alias})"
    return ServiceStatus(
        name=API,
        state=state,
        url=api.url if state == "running" else None,
        port=place.port,
        pid=api.pid,
        uptime=uptime,
        memory=process.memory(process.family(lead)),
        detail=f"{detail}; {service_status.NOT_STORING}" if answer == service_status.NOT_READY else detail,
        health=health,
        ports=(str(place.port),) if place.port else (),
    )
