"""Stopping one container by itself, and knowing later that it was meant to be stopped."""

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


def halt(place: DockerStack, container: Container) -> bool:
    """Stop a container, which stays with its log; whether it ran before.

    Raises:
        MlpipesError: The engine refuses, or does not answer.
    """
    ran = container.state in _RUNS
    if ran:
        place.holdings.stop(container)
    state = (place.holdings.inspect(container.id) or {}).get("State", {})
    notes = place.identity.note(_NOTE)
    place.identity.write_note(_NOTE, {**notes, container.service: state.get("FinishedAt")})
    return ran


def meant(identity: StackIdentity, service: str, state: Mapping[str, Any]) -> bool:
    """Whether a container ended because ``halt`` stopped it: one that ran again has ended at another time.

    Args:
        identity: Where it is written down.
        service: Whose container.
        state: What the engine says of its state.
    """
    return state.get("Status") == "exited" and identity.note(_NOTE).get(service) == state.get("FinishedAt")


def dependents(containers: Mapping[str, Container], service: str) -> list[str]:
    """The services that run and need one."""
    return [
        one.service
        for one in containers.values()
        if one.state in _RUNS and one.service != service and service in shutdown.needs(one)
    ]
