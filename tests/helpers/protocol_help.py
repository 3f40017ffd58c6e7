"""A server in this process on a real socket, and plain sockets to talk to it."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

HTTP = "mlpipes_cli.server.http.connection_limits:LimitedProtocol"


@contextmanager
def live(app: Any, **options: Any) -> Iterator[int]:
    """The ASGI application under uvicorn as `serve` runs it; gives the port."""
    import uvicorn

    settings = {"http": HTTP, "ws": "none", "log_level": "critical", "lifespan": "auto", **options}
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listening:
        server = uvicorn.Server(uvicorn.Config(app, **settings))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        deadline = time.monotonic() + 60
        while not server.started:
            assert thread.is_alive() and time.monotonic() < deadline, "the server did not start"
            time.sleep(0.01)
        try:
            yield int(listening.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(30)


class Wire:
    """One connection, byte by byte."""

    def __init__(self, port: int, timeout: float = 10.0) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read(self) -> bytes:
        """All that comes until the server closes; what was there before a reset."""
        parts = []
        try:
            while part := self.socket.recv(65536):
                parts.append(part)
        except ConnectionResetError:
            pass
        return b"".join(parts)

    def answer(self) -> tuple[int, bytes, bytes]:
        """One answer with a Content-Length: status, head, body."""
        data = b""
        while b"\r\n\r\n" not in data:
            part = self.socket.recv(65536)
            if not part:
                raise EOFError(data)
            data += part
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length")
        )
        while len(body) < length:
            part = self.socket.recv(65536)
            if not part:
                raise EOFError(head, len(body))
            body += part
        return int(head.split()[1]), head, body

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def post(path: str, body: bytes, *headers: str, kind: str = "application/json") -> bytes:
    """A request as bytes."""
    lines = [f"POST {path} HTTP/1.1", "host: x", f"content-type: {kind}", f"content-length: {len(body)}"]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body


def front(path: Path, database: str, name: str = "people", **settings: Any) -> Any:
    """The whole API on a saved model, version 3 of ``name``, and a real database."""
    from mlpipes_cli.adapters import database_wiring
    from mlpipes_cli.lifecycle.serving.stores import make_stores
    from mlpipes_cli.server.http.app import create_app
    from mlpipes_cli.server.models import loader
    from mlpipes_cli.server.models.served_models import ServedModels
    from mlpipes_cli.server.settings import ServerSettings

    made = ServerSettings(name, "production", 3, api_keys="off", access_log="off", **settings)
    database_wiring.prepare_database(database)
    models = ServedModels(loader.load(path, name, 3, "production"))
    return create_app(made, make_stores(made, database, None), models)


@dataclass(frozen=True)
class Api:
    """A whole API on a real socket, with a real database."""

    port: int
    client: Any
    database: Any
    app: Any

    def stored(self, identifier: str) -> dict[str, Any]:
        """The row of a prediction."""
        names = ("model_name", "model_version", "caller_id", "inputs", "prediction", "scores")
        rows = self.database.query(
            f"select {', '.join(names)} from serving.predictions where prediction_id = %s", identifier
        )
        assert len(rows) == 1
        return dict(zip(names, rows[0], strict=True))

    def count(self) -> int:
        return int(self.database.query("select count(*) from serving.predictions")[0][0])


_PROCESS = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import protocol_help, uvicorn
from mlpipes_cli.server.http.connection_limits import ConnectionLimits, LimitedProtocol, raise_file_limit
raise_file_limit()
LimitedProtocol.limits = ConnectionLimits(head_seconds=6.0, body_seconds=6.0, idle_seconds=6.0)
app = protocol_help.front(Path(sys.argv[2]), sys.argv[3], name="train", max_bytes=int(sys.argv[5]))
uvicorn.run(app, port=int(sys.argv[4]), http=protocol_help.HTTP, ws="none", log_level="critical")
"""


@contextmanager
def process(path: Path, database: str, max_bytes: int) -> Iterator[tuple[int, Any]]:
    """The API in a process of its own, with short waits for its clients; gives port and process."""
    import serving_help

    port = serving_help.free_port()
    given = [str(Path(__file__).parent), str(path), database, str(port), str(max_bytes)]
    running = psutil.Popen([sys.executable, "-c", _PROCESS, *given])
    try:
        serving_help.until(lambda: _listens(port), 90, "the API")
        yield port, running
    finally:
        running.kill()
        running.wait()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except OSError:
        return False
    return True
