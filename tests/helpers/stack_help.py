"""Looking at a stack from outside: its processes, its ports, its services."""

from __future__ import annotations

import contextlib
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg2
from conftest import Cli

from mlpipes_cli.adapters.embedded import cluster


def processes_of(root: Path) -> list[psutil.Process]:
    """Every live process that belongs to a project's stack, however it lost its way."""
    token = cluster.token(root)
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            line = " ".join(process.cmdline())
            if token in line or f"{root}/.mlpipes/" in line or _mark(process) == str(root):
                found.append(process)
    return found


def _mark(process: psutil.Process) -> str | None:
    with contextlib.suppress(psutil.Error):
        return process.environ().get("MLPIPES_PROJECT")
    return None


def services(cli: Cli, root: Path) -> dict[str, dict[str, Any]]:
    """``status --json`` by service."""
    return {row["name"]: row for row in cli("status", "--json", cwd=root).ok().json["services"]}


def process(cli: Cli, root: Path, service: str) -> psutil.Process:
    """A service's main process."""
    return psutil.Process(services(cli, root)[service]["pid"])


_told: dict[tuple[Any, ...], dict[str, str]] = {}  # what `env` said of a stack as it is


def environment(cli: Cli, root: Path) -> dict[str, str]:
    """What ``mlpipes env`` gives to clients, asked anew when a stack of processes is another than before."""
    state = sorted((root / ".mlpipes").glob("*.json"))
    files = [path for path in (root / "mlpipes.yaml", root / ".env", *state) if path.exists()]
    told = (root, *sorted(cli.environment.items()), *((path, path.read_bytes()) for path in files))
    if not (root / ".mlpipes" / "state.json").exists() or told not in _told:  # containers: who knows?
        _told[told] = dict(cli("env", "--json", cwd=root).ok().json)
    return dict(_told[told])


def query(cli: Cli, root: Path, statement: str) -> list[tuple[Any, ...]]:
    """Run SQL in the project's database as its client; the rows, if any."""
    url = environment(cli, root)["MLPIPES_DATABASE_URL"]
    with contextlib.closing(psycopg2.connect(url)) as link, link, link.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def http(url: str, method: str = "GET", body: bytes | None = None, **headers: str) -> bytes:
    """The answer's body; an error status raises."""
    kind = {"Content-Type": "application/json"} if body else {}
    request = urllib.request.Request(url, data=body, method=method, headers=kind | headers)
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(request, timeout=30) as answer:
        return answer.read()


@contextlib.contextmanager
def stranger(port: int = 0) -> Iterator[int]:
    """Somebody else's listener; gives its port."""
    with socket.create_server(("127.0.0.1", port)) as server:
        yield server.getsockname()[1]
