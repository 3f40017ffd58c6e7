"""A server that answers 503 with the reason until a model is promoted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeVar

from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.lifecycle.end_signals import ends_when_told
from mlpipes_cli.lifecycle.serving.plan import NotPromoted
from mlpipes_cli.server.http.api_error import unavailable

Found = TypeVar("Found")
_PAUSE = 2.0  # seconds between two queries of the registry
_RETRY = 10  # seconds after which a client may ask again
_PATIENCE = 10.0  # seconds that a client may take
_MOST = 1 << 20  # bytes of a body that are read before the answer
_ALIVE = '{"status": "waiting"}'


def until_promoted(
    look: Callable[[], Found], host: str, port: int, say: Callable[[str], None], pause: float = _PAUSE
) -> Found:
    """Return the result of ``look``; until there is one, answer 503, and ``/health`` with 200.

    SIGINT and SIGTERM end the process with 0 while it waits.

    Args:
        look: Queries the registry.
        host: The address to listen on.
        port: The port.
        say: Receives one message about what is waited for.
        pause: Seconds between two queries.

    Raises:
        UsageError: The settings fit no model, whatever is promoted.
        MlpipesError: The registry does not answer at first; later failures are waited out.
        OSError: The port is in use.
    """
    try:
        return look()
    except NotPromoted as error:
        missing = error
    say(f"{missing.reason}; waiting for one ({missing.hint})")
    with ends_when_told(), _answering(host, port, missing.lines()[0]):
        while True:
            time.sleep(pause)
            try:
                return look()
            except NotPromoted:
                continue
            except UsageError:
                raise
            except MlpipesError:
                continue


@contextmanager
def _answering(host: str, port: int, reason: str) -> Iterator[None]:
    class Handler(_Waiting):
        why = reason

    with ThreadingHTTPServer((host, port), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


class _Waiting(BaseHTTPRequestHandler):
    """Answers every request with the reason."""

    timeout = _PATIENCE
    why = ""

    def _answer(self) -> None:
        length = self.headers.get("Content-Length", "0")
        self.rfile.read(min(int(length), _MOST) if length.isdigit() else 0)
        alive = self.command in ("GET", "HEAD") and self.path.partition("?")[0] == "/health"
        fault = unavailable(self.why, _RETRY)
        body = (_ALIVE if alive else fault.body_for(self.path)).encode()
        self.send_response(HTTPStatus.OK if alive else fault.status)
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        for name, value in (headers if alive else headers | fault.headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = _answer

    def version_string(self) -> str:
        return "mlpipes"

    def log_message(self, *_: object) -> None:
        """Log nothing: one line at the start has reported it."""
