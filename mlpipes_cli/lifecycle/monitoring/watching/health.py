"""What the watcher does at present, over HTTP: for health checks and for `mlpipes status`."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

from mlpipes_cli.errors import MlpipesError

PATH = "/health"
_PATIENCE = 10.0  # seconds that a client may take


@dataclass
class Health:
    """What the watcher does.

    Attributes:
        state: It starts; another process watches, which it waits for; it watches; it waits for the database.
        next: When the next check is due, by the clock of the database, UTC, ISO 8601, or None.
        problem: Why the last check could not be made, or why it waits; one line, or None.
    """

    state: Literal["starting", "waiting", "watching", "away"] = "starting"
    next: str | None = None
    problem: str | None = None


@contextlib.contextmanager
def answering(health: Health, host: str, port: int | None) -> Iterator[None]:
    """Answer ``GET /health`` with 200 and the health as JSON, as long as the context lasts.

    Args:
        health: What is answered.
        host: The address to listen on.
        port: The port; None answers nothing.

    Raises:
        MlpipesError: The port is in use.
    """
    if port is None:
        yield
        return

    class Handler(_Handler):
        shown = health

    try:
        server = ThreadingHTTPServer((host, port), Handler)
    except OSError as error:
        raise MlpipesError(
            f"port {port} of {host}: {error.strerror or error}", "choose another --port"
        ) from None
    with server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.5}, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    timeout = _PATIENCE
    shown = Health()

    def do_GET(self) -> None:
        found = self.path.partition("?")[0] == PATH
        body = json.dumps(asdict(self.shown) if found else {"error": f"there is only {PATH}"}).encode()
        self.send_response(HTTPStatus.OK if found else HTTPStatus.NOT_FOUND)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET

    def version_string(self) -> str:
        return "mlpipes"

    def log_message(self, *_: object) -> None:
        """Log nothing: a health check comes every few seconds."""
