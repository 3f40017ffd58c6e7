"""Track one service that is a container while it is started."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mlpipes_cli.adapters.docker.containers.spec import ContainerSpec
from mlpipes_cli.adapters.reconcile.service import Service


@dataclass(frozen=True)
class StartupState:
    """Describes the state of a container that starts.

    Attributes:
        ended: Whether it does not run, or the engine keeps restarting it.
        healthy: The result of the engine's health check; without one, whether it runs.
        words: The state as text.
        oom: Whether it was killed because it ran out of memory.
    """

    ended: bool
    healthy: bool
    words: str
    oom: bool


@dataclass(kw_only=True)
class ContainerService(Service):
    """Tracks a container.

    Attributes:
        spec: The desired state of its container.
        before: The container of a step that is run before each start.
        container: The id of its container, once there is one.
        fresh: Whether this call created the container and has not started it yet.
        restarts: The engine's restart count when it was first read.
        said: The reason why it is not ready, if known.
        state: Its state when it was last read.
    """

    spec: ContainerSpec
    before: ContainerSpec | None = None
    container: str = ""
    fresh: bool = False
    restarts: int | None = None
    problem: str = ""
    state: StartupState = StartupState(False, False, "", False)

    @property
    def ports(self) -> dict[int, int]:
        """The host's ports by the container's."""
        return {port.port: port.host_port for port in self.spec.service.ports}

    def plan(self, spec: ContainerSpec) -> None:
        """Set the desired state of its container."""
        self.spec = spec
        self.port = next((port.host_port for port in spec.service.ports), None)

    def started(self) -> None:
        super().started()
        self.restarts = None


def uptime(state: Mapping[str, Any]) -> float:
    """Return the seconds since a container was started, by the state that the engine reports."""
    try:
        text = str(state["StartedAt"]).split(".")[0].removesuffix("Z")
        began = datetime.fromisoformat(f"{text}+00:00")
    except (KeyError, ValueError):
        return 0.0
    return max(0.0, time.time() - began.timestamp())
