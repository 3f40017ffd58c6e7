"""What is said of a process that answers, or does not, over a real socket."""

from __future__ import annotations

import time
from typing import Any

import protocol_help
import psutil
import pytest

from mlpipes_cli.adapters.processes import foreground, service_status
from mlpipes_cli.server_registry import RunningServer
from mlpipes_cli.services.probes import HttpProbe


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Alive, but without a database."""
    status = 503 if scope["path"] == "/ready" else 200
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


@pytest.mark.parametrize(
    ("answer", "uptime", "state", "health"),
    [
        (200, 1.0, "running", "healthy"),
        (503, 1.0, "running", "unhealthy"),
        (503, 1000.0, "running", "unhealthy"),
        (500, 1000.0, "failed", "unhealthy"),
        (None, 1.0, "starting", "starting"),
        (None, 1000.0, "failed", "unhealthy"),
    ],
)
def test_state_and_health(answer: int | None, uptime: float, state: str, health: str) -> None:
    assert service_status.condition(answer, uptime) == (state, health)


def test_an_api_without_a_database_runs_and_says_so() -> None:
    me = psutil.Process()
    with protocol_help.live(app, lifespan="off") as port:
        assert HttpProbe("GET", "/ready").answer(port) == 503 and not HttpProbe("GET", "/ready").ask(port)
        url = f"http://127.0.0.1:{port}"
        noted = RunningServer(url, "people", 3, "production", "api", me.pid, time.time() - 1000, ready=True)
        shown = foreground._status(noted, me)
    assert (shown.state, shown.health, shown.url) == ("running", "unhealthy", url)
    assert "the database is not accepting predictions" in shown.detail
