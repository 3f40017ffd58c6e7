"""Report the current status of the services, without changing anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

from mlpipes_cli.adapters.docker.containers import labels, manual_stop, stats
from mlpipes_cli.adapters.docker.errors import startup
from mlpipes_cli.adapters.docker.stack.addresses import in_url
from mlpipes_cli.adapters.docker.stack.container_service import uptime
from mlpipes_cli.adapters.docker.stack.resources import Container
from mlpipes_cli.adapters.docker.stack.stack import DockerStack
from mlpipes_cli.adapters.processes.service_status import NOT_STORING
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports import ServiceStatus, State
from mlpipes_cli.services import catalog
from mlpipes_cli.services.catalog import STORES

_REPAIR = "`mlpipes up` starts it"
_SILENT = {"starting": "it does not answer yet", "unhealthy": f"it does not answer; {_REPAIR}"}


def read_status(stack: DockerStack, names: Sequence[str]) -> tuple[ServiceStatus, ...]:
    """Return the status of the services ``names``, then of the stack's other services.

    Raises:
        MlpipesError: The engine does not answer.
    """
    found = stack.resources.containers()
    everyone = [
        *names,
        *sorted({name for name, container in found.items() if not container.oneoff} - set(names)),
    ]

    def look(name: str) -> ServiceStatus:
        return _status(stack, found[name]) if name in found else ServiceStatus(name, "stopped")

    with ThreadPoolExecutor(len(everyone)) as threads:  # the engine is slow for each
        return tuple(threads.map(look, everyone))


def _status(stack: DockerStack, container: Container) -> ServiceStatus:
    details = stack.resources.inspect(container.id)
    name = container.service
    if details is None:
        return ServiceStatus(name, "stopped")
    image = container.labels.get(labels.IMAGE, container.image)
    state = details["State"]
    if not state.get("Running") or state.get("Paused") or state.get("Restarting"):
        return _ended(stack, name, image, container.image, state)
    age = uptime(state)
    works = _works(stack, container, state)
    half = not works and stack.cannot_store(name, container.ports)
    health: Literal["healthy", "starting", "unhealthy"]
    young = age < catalog.timeout(name) and not half
    health = "healthy" if works else "starting" if young else "unhealthy"
    shown: State = "running" if works or half else "starting" if young else "failed"
    pid = stats.main_process(container.id, state, local=stack.engine.local)
    return ServiceStatus(
        name=name,
        state=shown,
        url=_url(stack, name, container.ports) if works or half else None,
        port=_port(name, container.ports),
        pid=pid,
        uptime=age,
        memory=stats.memory(stack.resources.api, container.id, pid),
        detail=NOT_STORING if half else _detail(stack, container) if works else _SILENT[health],
        health=health,
        image=image,
        image_id=container.image,
        ports=container.published,
    )


def _ended(
    stack: DockerStack, name: str, image: str, image_id: str, state: Mapping[str, Any]
) -> ServiceStatus:
    """Return the status of a container that does not run."""
    if state.get("Status") == "created":
        return ServiceStatus(name, "stopped", detail="it was never started", image=image, image_id=image_id)
    if manual_stop.meant(stack.identity, name, state):
        start = f"`mlpipes start {name}` starts it"
        return ServiceStatus(name, "stopped", detail=start, image=image, image_id=image_id)
    if state.get("Paused"):
        what = "it is paused"
    elif state.get("Restarting"):
        what = f"it keeps exiting (exit code {state.get('ExitCode')})"
    else:
        what = startup.ended(state)
    return ServiceStatus(
        name, "failed", detail=f"{what}; {_REPAIR}", health="unhealthy", image=image, image_id=image_id
    )


def _works(stack: DockerStack, container: Container, state: Mapping[str, Any]) -> bool:
    answer = stack.answers(container.service, container.ports)
    if answer is None:
        health: str = (state.get("Health") or {}).get("Status", "healthy")
        return health == "healthy"
    return answer


def _port(name: str, ports: Mapping[int, int]) -> int | None:
    found = catalog.find(name)
    return found.port(ports) if found and ports else next(iter(ports.values()), None)


def _url(stack: DockerStack, name: str, ports: Mapping[int, int]) -> str | None:
    host, port, found = in_url(stack.address), _port(name, ports), catalog.find(name)
    if port is None:
        return None
    return found.address(host, port) if found else f"http://{host}:{port}"


def _detail(stack: DockerStack, container: Container) -> str:
    found = catalog.find(container.service)
    if found is None:
        return ""
    console = container.ports.get(found.page) if found.page not in (None, found.ports[0].inside) else None
    parts = [f"console http://{in_url(stack.address)}:{console}"] if console else []
    if found.name in STORES and stack.keys.own is None:
        parts.append("MLflow uses the root user's keys")
    return "; ".join(parts)


def unknown(name: str, known: Sequence[str]) -> MlpipesError:
    """Return the error for a service that does not exist."""
    from mlpipes_cli.errors import UsageError

    return UsageError(f"there is no service {name!r}", f"choose one of: {', '.join(known)}")
