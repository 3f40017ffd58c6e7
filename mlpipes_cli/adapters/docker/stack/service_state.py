"""One service on its way up."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from mlpipes_cli.adapters.docker.containers.spec import ContainerSpec


@dataclass
class ServiceState:
    """Where a service stands while ``up`` works.

    Attributes:
        plan: Its container as it should be.
        needs: The services that have to be ready before it is started.
        before: The container of a step that is run before each start.
        container: The engine's id of its container, once there is one.
        stage: There is no container; there is one; it was started; it answers.
        fresh: The container was made in this call.
        touched: It was started in this call.
        done: What was done to it, in words, where there is more to say than that it was started.
        deadline: By then it has to answer, on the monotonic clock.
        restarts: How often the engine had restarted it when it was first seen.
        said: Why it is not ready, as far as it says so itself.
        settled: False while something is to be done after it is ready.
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
        """The service."""
        return self.plan.service.name

    @property
    def ports(self) -> dict[int, int]:
        """The host's ports by the container's."""
        return {one.port: one.host_port for one in self.plan.service.ports}

    def started(self, timeout: float) -> None:
        """It was started just now and has so many seconds."""
        self.stage, self.touched, self.restarts = "started", True, None
        self.deadline = time.monotonic() + timeout

    def adopt(self, state: Mapping[str, Any], timeout: float, grace: float) -> None:
        """It ran already; if it is young it has the rest of its time, else a moment."""
        self.stage = "started"
        self.deadline = time.monotonic() + max(grace, timeout - uptime(state))


def uptime(state: Mapping[str, Any]) -> float:
    """Seconds since a container was started, from what the engine says of its state."""
    try:
        text = str(state["StartedAt"]).split(".")[0].removesuffix("Z")
        began = datetime.fromisoformat(f"{text}+00:00")
    except (KeyError, ValueError):
        return 0.0
    return max(0.0, time.time() - began.timestamp())
