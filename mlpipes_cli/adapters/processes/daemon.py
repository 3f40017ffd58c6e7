"""A service that speaks HTTP: MLflow's server, and the processes that ``Runtime.start`` adds."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mlpipes_cli.adapters.processes import log_files, process
from mlpipes_cli.adapters.processes.process import ProcessIdentity
from mlpipes_cli.adapters.processes.state import RunningProcess

if TYPE_CHECKING:
    import psutil

_DROPPED = ("MLFLOW_", "_MLFLOW_", "MLPIPES_", "PG", "PYTHONDONTWRITEBYTECODE", "PYTHONSTARTUP")
_KEPT = ("MLPIPES_CACHE",)  # where environments are, for who starts us and for us


@dataclass(frozen=True)
class HttpProbe:
    """A question over HTTP that only a working service answers with 200.

    Attributes:
        method: GET or POST.
        path: With its query.
        body: JSON, or empty.
        headers: Beside the usual ones; they may hold a secret.
    """

    method: str
    path: str
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def ask(self, port: int, host: str = "127.0.0.1", timeout: float = 5.0) -> bool:
        """Whether the answer is 200."""
        return self.answer(port, host, timeout) == 200

    def answer(self, port: int, host: str = "127.0.0.1", timeout: float = 5.0) -> int | None:
        """The answer's status, or None where nobody answers."""
        link = http.client.HTTPConnection(host, port, timeout=timeout)
        headers = {"Content-Type": "application/json"} if self.body else {}
        try:
            link.request(self.method, self.path, self.body or None, {**headers, **self.headers})
            return link.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            link.close()


@dataclass(frozen=True)
class Daemon:
    """How one service is started, found, asked and ended.

    Attributes:
        name: The service's name.
        root: The project's folder, as its processes are marked.
        command: Program and arguments; ``{port}`` stands for the port.
        settings: Environment variables on top of what is inherited; they may hold secrets.
        folder: Its working folder.
        log: Its log file.
        probe: How to know that it works.
        timeout: Seconds until it has to.
        release: Changes when the program does.
    """

    name: str
    root: Path
    command: tuple[str, ...]
    settings: Mapping[str, str] = field(repr=False)
    folder: Path
    log: Path
    probe: HttpProbe
    timeout: float
    release: str = ""

    def fingerprint(self, port: int) -> str:
        """Differs for whatever would need a restart; gives no secret away."""
        parts = [list(self.command), sorted(self.settings.items()), str(self.folder), port, self.release]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]

    def spawn(self, port: int) -> tuple[RunningProcess, subprocess.Popen[bytes]]:
        """Start it.

        Raises:
            MlpipesError: The program cannot be started.
        """
        log_files.rotate(self.log)
        fingerprint = self.fingerprint(port)
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name in _KEPT or not name.startswith(_DROPPED)
        }
        marks = {
            process.PROJECT_MARK: str(self.root),
            process.SERVICE_MARK: self.name,
            process.PORT_MARK: str(port),
            process.PRINT_MARK: fingerprint,
        }
        child = process.spawn(
            [part.replace("{port}", str(port)) for part in self.command],
            environment={**inherited, **self.settings, **marks},
            folder=self.folder,
            log=self.log,
        )
        identity = process.identify(child.pid) or ProcessIdentity(child.pid, time.time())
        return RunningProcess(identity, port, fingerprint), child

    def find(self, written: RunningProcess | None) -> RunningProcess | None:
        """The service's main process: the one written down, else the one that carries the marks."""
        if written and (found := written.identity.process()) and self._is_ours(found):
            return written
        lead = process.leader(process.marked(self.root, self.name))
        return _from_marks(lead) if lead else None

    def _is_ours(self, found: psutil.Process) -> bool:
        marks = process.marks(found)
        wanted = (str(self.root), self.name)
        return not marks or (marks.get(process.PROJECT_MARK), marks.get(process.SERVICE_MARK)) == wanted

    def members(self, main: RunningProcess | None) -> list[psutil.Process]:
        """All its processes, children that lost their parent too."""
        found = {one.pid: one for one in process.marked(self.root, self.name)}
        lead = main.identity.process() if main else None
        if lead and self._is_ours(lead):
            found |= {one.pid: one for one in process.family(lead)}
        return [one for one in found.values() if process.running(one.pid)]

    def answers(self, main: RunningProcess) -> bool:
        """Whether it works; not so where somebody else answers on its port."""
        return self.probe.ask(main.port) and process.listen(self.members(main), main.port)

    def end(self, main: RunningProcess | None) -> int:
        """End all of it; returns how many processes there were.

        Raises:
            MlpipesError: One cannot be ended.
        """
        return process.end(lambda: self.members(main))


def _from_marks(lead: psutil.Process) -> RunningProcess | None:
    marks = process.marks(lead)
    identity = process.identify(lead.pid)
    port = marks.get(process.PORT_MARK, "")
    if identity is None or not port.isdigit():
        return None
    return RunningProcess(identity, int(port), marks.get(process.PRINT_MARK, ""))
