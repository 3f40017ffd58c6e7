"""Stop and start a single service of an embedded stack."""

from __future__ import annotations

from mlpipes_cli.adapters.embedded.core_services import core_services
from mlpipes_cli.adapters.embedded.layout import CORE, StackLayout
from mlpipes_cli.adapters.embedded.status import read_status
from mlpipes_cli.adapters.processes.local_services import LocalServices
from mlpipes_cli.adapters.processes.stack_lock import stack_lock
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports import Halted, Reporter, ServiceStatus
from mlpipes_cli.services import catalog
from mlpipes_cli.services.catalog import DATABASE


def halt(parts: StackLayout, local: LocalServices, service: str, reporter: Reporter) -> Halted:
    """Stop a core service and keep its data.

    Raises:
        MlpipesError: The service cannot be stopped.
    """
    with stack_lock(parts.project, reporter), reporter.task(f"stopping {service}"):
        running = parts.files.running()
        ended = parts.end(service, running.pop(service, None))
        parts.files.write_running(parts.project.root, running)
    rows = (*read_status(parts), *local.statuses())
    needing = [name for name in CORE if service in catalog.get(name).needs]
    alive = [row.name for row in rows if row.state != "stopped" and row.name not in (DATABASE, service)]
    dependents = [name for name in alive if name in needing or name not in CORE]
    return Halted(_of(rows, service), bool(ended), tuple(dict.fromkeys(dependents)))


def resume(parts: StackLayout, service: str, reporter: Reporter) -> ServiceStatus:
    """Start a core service and its dependencies.

    Raises:
        MlpipesError: There is no stack yet, or the service does not start.
    """
    if not parts.database().folder.exists():
        raise MlpipesError("there is no stack yet", "make it with `mlpipes up`")
    with core_services(parts, reporter, f"starting {service}") as core:
        core.resume(service)
    for change in core.progress.changes:
        reporter.info(change)
    return _of(read_status(parts), service)


def _of(rows: tuple[ServiceStatus, ...], service: str) -> ServiceStatus:
    return next(row for row in rows if row.name == service)
