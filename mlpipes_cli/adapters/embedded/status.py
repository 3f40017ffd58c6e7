"""Report the current status of the core services, without changing anything."""

from __future__ import annotations

from dataclasses import replace

from mlpipes_cli.adapters.embedded.layout import StackLayout
from mlpipes_cli.adapters.processes import ports, process, service_status
from mlpipes_cli.adapters.processes.daemon import marked_as
from mlpipes_cli.adapters.processes.state import RunningProcess
from mlpipes_cli.ports import ServiceStatus
from mlpipes_cli.services import catalog
from mlpipes_cli.services.catalog import DATABASE, MLFLOW


def read_status(parts: StackLayout) -> tuple[ServiceStatus, ...]:
    """Return the status of PostgreSQL and MLflow."""
    written = parts.files.running()
    return _database(parts, written), _mlflow(parts, written)


def _database(parts: StackLayout, written: dict[str, RunningProcess]) -> ServiceStatus:
    server = parts.database()
    main, members = server.find(), server.members()
    if main is None:
        return service_status.absent(DATABASE, expected=bool(members) or DATABASE in written)
    url = catalog.get(DATABASE).address(ports.HOST, main.port)
    lacking = server.lacking(main.port)
    answer = None if lacking is None else service_status.NOT_READY if lacking else service_status.WELL
    found = service_status.present(DATABASE, main, members, url, answer=answer)
    if not lacking:
        return found
    return replace(found, detail=f"{service_status.removed(lacking)}; {service_status.RESTORE}")


def _mlflow(parts: StackLayout, written: dict[str, RunningProcess]) -> ServiceStatus:
    daemon = marked_as(parts.project, MLFLOW)
    main = daemon.find(written.get(MLFLOW))
    members = daemon.members(main)
    if main is None:
        return service_status.absent(MLFLOW, expected=bool(members) or MLFLOW in written)
    url = catalog.get(MLFLOW).address(ports.HOST, main.port)
    works = parts.probe.ask(main.port) and process.listen(members, main.port)
    return service_status.present(MLFLOW, main, members, url, answer=service_status.WELL if works else None)
