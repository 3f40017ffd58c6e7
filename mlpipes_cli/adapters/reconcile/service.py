"""Track one service while it is started."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal


@dataclass(kw_only=True)
class Service:
    """Tracks a service while it is started; drivers add what they have to know.

    Attributes:
        name: The service's name.
        timeout: The seconds within which it has to answer after a start.
        needs: The services that have to be ready before it is started.
        eager: Whether it is started before all others; it is still waited for after the services that it
            needs.
        finished: False while work is left to do after it is ready.
        port: The port of the host for messages.
        stage: Nothing exists; a container exists; it was started; it answers.
        touched: Whether this call started it.
        change: The change as text, if it is not only a start.
        deadline: The time on the monotonic clock by which it has to answer; None until it is waited for.
        starts: The number of attempts to start it.
    """

    name: str
    timeout: float
    needs: frozenset[str] = frozenset()
    eager: bool = False
    finished: bool = True
    port: int | None = None
    stage: Literal["absent", "created", "started", "ready"] = "absent"
    touched: bool = False
    change: str = ""
    deadline: float | None = None
    starts: int = 0

    def started(self) -> None:
        """Record that this call started it: it has its whole timeout to answer."""
        self.stage, self.touched, self.deadline = "started", True, None

    def adopted(self, seconds: float | None = None) -> None:
        """Record that it runs already; it has ``seconds`` to answer, or its whole timeout."""
        self.stage = "started"
        self.deadline = None if seconds is None else time.monotonic() + seconds
