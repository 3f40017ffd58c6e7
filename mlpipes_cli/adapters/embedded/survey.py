"""What runs right now; it changes nothing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mlpipes_cli.adapters.embedded import mlflow_server
from mlpipes_cli.adapters.embedded.parts import DATABASE, MLFLOW, Parts
from mlpipes_cli.adapters.processes import ports, process
from mlpipes_cli.adapters.processes.daemon import Probe
from mlpipes_cli.adapters.processes.state import Running
from mlpipes_cli.ports import ServiceStatus, State

if TYPE_CHECKING:
    import psutil

_STARTING = 120.0
_REPAIR = "`mlpipes up` brings it back"


def survey(parts: Parts) -> tuple[ServiceStatus, ...]:
    """All services: the core, then the added ones."""
    written = parts.files.running()
    names = (MLFLOW, *parts.added_names())
    return (_database(parts, written), *(_daemon(parts, name, written) for name in names))


def probe(parts: Parts, name: str) -> Probe:
    """The question that tells whether a service works."""
    if name == MLFLOW:
        return mlflow_server.PROBE
    spec = parts.files.wanted().get(name)
    return Probe("GET", spec.ready_path if spec else "/")


def _database(parts: Parts, written: dict[str, Running]) -> ServiceStatus:
    server = parts.database()
    main, members = server.find(), server.members()
    if main is None:
        return _absent(DATABASE, bool(members) or DATABASE in written)
    url = f"postgresql://{ports.HOST}:{main.port}/mlpipes"
    return _present(DATABASE, main, members, url, works=server.answers(main.port))


def _daemon(parts: Parts, name: str, written: dict[str, Running]) -> ServiceStatus:
    daemon = parts.named(name)
    main = daemon.find(written.get(name))
    members = daemon.members(main)
    if main is None:
        return _absent(name, bool(members) or name in written)
    url = f"http://{ports.HOST}:{main.port}"
    works = probe(parts, name).ask(main.port) and process.listen(members, main.port)
    return _present(name, main, members, url, works=works)


def _absent(name: str, expected: bool) -> ServiceStatus:
    if expected:
        return ServiceStatus(name, "failed", detail=f"it has ended; {_REPAIR}")
    return ServiceStatus(name, "stopped")


def _present(
    name: str, main: Running, members: list[psutil.Process], url: str, *, works: bool
) -> ServiceStatus:
    uptime = max(0.0, time.time() - main.identity.created)
    state: State = "running" if works else "starting" if uptime < _STARTING else "failed"
    return ServiceStatus(
        name=name,
        state=state,
        url=url if works else None,
        port=main.port,
        pid=main.identity.pid,
        uptime=uptime,
        memory=process.memory(members),
        detail="" if works else "it does not answer" + ("" if state == "starting" else f"; {_REPAIR}"),
    )
