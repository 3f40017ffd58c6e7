"""Stop a single container, and record that the user stopped it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlpipes_cli.adapters.docker.containers import shutdown
from mlpipes_cli.adapters.docker.stack.resources import Container

if TYPE_CHECKING:
    from mlpipes_cli.adapters.docker.stack.identity import StackIdentity
    from mlpipes_cli.adapters.docker.stack.stack import DockerStack

_NOTE = "stopped"
_RUNS = ("running", "paused", "restarting")


def halt(stack: DockerStack, container: Container) -> bool:
    """Stop a container and keep it with its log; return whether it ran before.

    Raises:
        MlpipesError: The engine refuses, or does not answer.
    """
    ran = container.state in _RUNS
    if ran:
        stack.resources.stop(container)
    state = (stack.resources.inspect(container.id) or {}).get("State", {})
    notes = stack.identity.note(_NOTE)
    stack.identity.write_note(_NOTE, {**notes, container.service: state.get("FinishedAt")})
    return ran


def meant(identity: StackIdentity, service: str, state: Mapping[str, Any]) -> bool:
    """Return whether ``halt`` stopped a container: one that ran again later has another end time.

    Args:
        identity: Holds the record of ``halt``.
        service: The container's service.
        state: The container's state as the engine reports it.
    """
    return state.get("Status") == "exited" and identity.note(_NOTE).get(service) == state.get("FinishedAt")


def dependents(containers: Mapping[str, Container], service: str) -> list[str]:
    """Return the running services that depend on a service."""
    return [
        container.service
        for container in containers.values()
        if container.state in _RUNS and container.service != service and service in shutdown.needs(container)
    ]
