"""Track the state of one service while it is started."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from mlpipes_cli.adapters.docker.containers.spec import ContainerSpec


@dataclass
class ServiceState:
    """Tracks a service while ``up`` runs.

    Attributes:
        plan: The desired state of its container.
        needs: The services that have to be ready before it is started.
        before: The container of a step that is run before each start.
        container: The id of its container, once there is one.
        stage: No container; container created; container started; service answers.
        fresh: Whether this call created the container and has not started it yet.
        touched: Whether this call started it.
        done: The change as text, if it is not only a start.
        deadline: The time on the monotonic clock by which it has to answer.
        restarts: The engine's restart count when it was first read.
        said: The reason why it is not ready, if known.
        settled: False while work is left to do after it is ready.
    """

    plan: ContainerSpec
    needs: frozenset[str]
    before: ContainerSpec | None = None
    container: str = ""
    stage: Literal["absent", "created", "started", "ready"] = "absent"
    fresh: bool = False
    touched: bool = False
    done: str = ""
    deadline: float = 0.0
    restarts: int | None = None
    said: str = ""
    settled: bool = True

    @property
    def name(self) -> str:
        """The service's name."""
        return self.plan.service.name

    @property
    def ports(self) -> dict[int, int]:
        """The host's ports by the container's."""
        return {one.port: one.host_port for one in self.plan.service.ports}

    def started(self, timeout: float) -> None:
        """Record that it was just started and has ``timeout`` seconds to answer."""
        self.stage, self.touched, self.restarts = "started", True, None
        self.deadline = time.monotonic() + timeout

    def adopt(self, state: Mapping[str, Any], timeout: float, grace: float) -> None:
        """Adopt a running container: it gets the rest of ``timeout``, at least ``grace`` seconds."""
        self.stage = "started"
        self.deadline = time.monotonic() + max(grace, timeout - uptime(state))


def uptime(state: Mapping[str, Any]) -> float:
    """Return the seconds since a container was started, by the state that the engine reports."""
    try:
        text = str(state["StartedAt"]).split(".")[0].removesuffix("Z")
        began = datetime.fromisoformat(f"{text}+00:00")
    except (KeyError, ValueError):
        return 0.0
    return max(0.0, time.time() - began.timestamp())
