"""Check a stack's ports, containers and volumes for ``doctor``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from mlpipes_cli.adapters.docker.errors import startup
from mlpipes_cli.adapters.docker.stack.port_allocator import PortAllocator
from mlpipes_cli.adapters.docker.stack.settings import port_settings
from mlpipes_cli.adapters.docker.stack.status import read_status
from mlpipes_cli.adapters.processes import ports as local_ports
from mlpipes_cli.adapters.processes.ports import PortReservations
from mlpipes_cli.adapters.processes.state import StateFiles
from mlpipes_cli.ports import Check, ServiceStatus

if TYPE_CHECKING:
    from mlpipes_cli.adapters.docker.stack.settings import PortSetting
    from mlpipes_cli.adapters.docker.stack.stack import DockerStack
    from mlpipes_cli.compose.model import Service

Level = Literal["ok", "warning", "fault"]
_UP = "`mlpipes up` repairs it"


def ports(stack: DockerStack, services: Iterable[Service]) -> list[Check]:
    """Check for each port whether it is published, free, or taken."""
    files = StateFiles(stack.project.state)
    containers = stack.resources.containers()
    names = {service.name for service in services}
    holder = PortAllocator(stack.engine, files, PortReservations(), lambda text: None).holder
    checks = []
    for setting in port_settings(stack.project.config):
        if setting.service in names:
            container = containers.get(setting.service)
            has = container.ports.get(setting.inside) if container else None
            wanted = setting.wanted or files.ports().get(setting.name) or local_ports.first(setting.preferred)
            checks.append(_port(setting, has, wanted, stack, holder))
    return checks


def _port(setting: PortSetting, has: int | None, wanted: int, stack: DockerStack, holder: Any) -> Check:
    name = f"{setting.name.replace('_', ' ')} port"
    if has is not None:
        if setting.wanted not in (None, has):
            return Check(
                name, "warning", f"{has}, but mlpipes.yaml says {setting.wanted}", "run `mlpipes up`"
            )
        return Check(name, "ok", f"{has}")
    if not stack.engine.local or local_ports.is_free(wanted):
        return Check(name, "ok", f"{wanted} is free" if stack.engine.local else f"{wanted}, on that machine")
    owner = holder(wanted)
    if setting.wanted:
        fix = "stop it, or set another port (or auto) in mlpipes.yaml"
        return Check(name, "fault", f"{wanted} is taken by {owner}", fix)
    return Check(name, "ok", f"{wanted} is taken by {owner}; the next free one will be used")


def running(stack: DockerStack, names: Sequence[str], *, made: bool) -> list[Check]:
    """Check for each service whether it answers, and the state of its container."""
    if not names:
        return []
    found = stack.resources.containers()
    checks = []
    for row in read_status(stack, names):
        container = found.get(row.name)
        details = stack.resources.inspect(container.id) if container else None
        checks.append(_service(row, details or {}, made=made))
    return checks


def _service(row: ServiceStatus, details: Mapping[str, Any], *, made: bool) -> Check:
    state = details.get("State") or {}
    restarts = int(details.get("RestartCount") or 0)
    more = f"{startup.more_memory(row.name)}, then `mlpipes up`"
    if state.get("OOMKilled"):
        return Check(row.name, "fault", "it ran out of memory and was killed", more)
    if row.state == "running" and restarts:
        times = "once" if restarts == 1 else f"{restarts} times"
        fix = f"see `mlpipes logs {row.name}` for the cause"
        return Check(row.name, "warning", f"answers, but the engine had to restart it {times}", fix)
    if row.state == "running":
        return Check(row.name, "ok", f"answers on port {row.port}" if row.port else "answers")
    if row.state == "failed":
        return Check(row.name, "fault", row.detail, f"{_UP}; `mlpipes logs {row.name}` shows the cause")
    if row.state == "starting":
        return Check(row.name, "warning", "starting", f"wait, or see `mlpipes logs {row.name}`")
    return Check(
        row.name, "warning", row.detail or "stopped" if made else "not created yet", "`mlpipes up` starts it"
    )


def process(row: ServiceStatus) -> Check:
    """Check a local process beside the containers."""
    if row.state == "running":
        return Check(row.name, "ok", f"answers on port {row.port}")
    level: Level = "fault" if row.state == "failed" else "warning"
    return Check(
        row.name, level, row.detail or row.state, f"{_UP}; `mlpipes logs {row.name}` shows the cause"
    )


def volumes(stack: DockerStack, services: Iterable[Service]) -> list[Check]:
    """Check whether all volumes exist, unless the stack has no volumes and containers at all."""
    resources = stack.resources
    there = set(resources.volumes())
    containers = resources.containers()
    checks = []
    for service in services:
        for mount in service.volumes:
            full = resources.volume(mount.volume)
            name = f"{service.name} data"
            if full in there:
                checks.append(Check(name, "ok", f"volume {full}"))
            elif there or containers:
                fix = "`mlpipes up` creates an empty one, and `mlpipes restore FILE` restores a backup"
                checks.append(Check(name, "fault", f"the volume {full} does not exist", fix))
    return checks
