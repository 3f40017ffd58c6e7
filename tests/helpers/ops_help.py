"""The whole API as `serve` runs it, in processes of its own, for tests of how it is operated."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import serving_help
import signing_help
import warm_cli

_LISTEN = """
import json, sys
from pathlib import Path
from mlpipes_cli.lifecycle.serving import api
from mlpipes_cli.server.settings import ServerSettings
settings = ServerSettings.from_json(sys.argv[1])
sys.exit(api.listen(settings, "127.0.0.1", int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])))
"""


class Server:
    """`api.listen` on a saved model; its standard error is a file.

    Args:
        folder: For its files; made here.
        model: A saved model.
        database: The Postgres' URL.
        workers: Processes that answer.
        settings: Further settings of the server.
    """

    def __init__(self, folder: Path, model: Path, database: str, workers: int = 1, **settings: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.database, self.workers = folder, database, workers
        told = {"model": "people", "alias": "production", "version": 3, "folder": str(model)}
        told["files"] = signing_help.digest(model)
        self.settings = json.dumps(told | settings)
        self.port = serving_help.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[Any] | warm_cli.Child | None = None

    def __enter__(self) -> Server:
        environment = os.environ | {"MLPIPES_DATABASE_URL": self.database}
        assert sys.__stdout__ is not None
        with (self.folder / "log").open("ab") as log:
            self.process = warm_cli.start(command(self), Path.cwd(), environment, sys.__stdout__, log)
        serving_help.until(lambda: self._ready() or self._over(), 120, "the API")
        assert self._ready(), self.log()
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(40)
            finally:
                if self.process.poll() is None:
                    os.killpg(self.process.pid, signal.SIGKILL)
                    self.process.wait()

    def _over(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/ready", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request on a connection of its own, so that each may meet another worker."""
        return httpx.request(method, self.url + path, trust_env=False, timeout=30, **options)

    def predict(self, rows: Sequence[dict[str, Any]], **headers: str) -> httpx.Response:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.request("POST", "/predict", json=list(rows), headers=names)

    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8")

    def lines(self) -> list[dict[str, Any]]:
        """The log's lines, each of which has to be JSON."""
        return [json.loads(line) for line in self.log().splitlines()]

    def workers_pids(self) -> list[int]:
        import psutil

        assert self.process is not None
        found = []
        for child in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.Error):  # the resource tracker is none, nor is one that has ended
                if child.status() != psutil.STATUS_ZOMBIE and "spawn_main" in " ".join(child.cmdline()):
                    found.append(child.pid)
        return found


def command(server: Server) -> list[str]:
    """What runs the server."""
    told = [server.settings, str(server.port), str(server.workers), str(server.folder / "failure")]
    return [sys.executable, "-c", _LISTEN, *told]


def sample(rows: int = 1, seed: int = 0) -> list[dict[str, Any]]:
    """Rows as JSON takes them."""
    frame = serving_help.people(rows + 5, seed).tail(rows)
    return json.loads(frame.to_json(orient="records", date_format="iso"))
