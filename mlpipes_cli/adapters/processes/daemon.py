"""Start, find, probe and stop an HTTP service: MLflow's server, or a process of ``Runtime.start``."""

from __future__ import annotations

import hashlib
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
from mlpipes_cli.project import ProjectFolder
from mlpipes_cli.services.probes import HttpProbe

if TYPE_CHECKING:
    import psutil

_DROPPED = ("MLFLOW_", "_MLFLOW_", "MLPIPES_", "PG", "PYTHONDONTWRITEBYTECODE", "PYTHONSTARTUP")
_KEPT = ("MLPIPES_CACHE",)  # the folder of environments has to be the same for this process and the service


@dataclass(frozen=True)
class Daemon:
    """Starts, finds, probes and stops the processes of one service.

    Attributes:
        name: The service's name.
        root: The project's folder, which the processes carry in their environment.
        command: Program and arguments; ``{port}`` stands for the port.
        settings: Environment variables in addition to the inherited ones; they may hold secrets.
        folder: The working folder.
        log: The log file.
        probe: The readiness probe.
        timeout: Seconds within which the service has to answer.
        release: The program's version.
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
        """Return a hash that changes with every setting that needs a restart; it reveals no secret."""
        parts = [list(self.command), sorted(self.settings.items()), str(self.folder), port, self.release]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]

    def begin(self, port: int) -> int:
        """Write the time of a start into the log; return the log's size."""
        log_files.begin(self.log, f"starting {self.name} on port {port}")
        return log_files.size(self.log)

    def spawn(self, port: int) -> tuple[RunningProcess, subprocess.Popen[bytes]]:
        """Start the service on a port, without waiting for it to answer.

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
        """Return the main process: the recorded one, else one with the service's environment variables."""
        if written and (found := written.identity.process()) and self._is_ours(found):
            return written
        lead = process.leader(process.marked(self.root, self.name))
        return _from_marks(lead) if lead else None

    def _is_ours(self, found: psutil.Process) -> bool:
        marks = process.marks(found)
        wanted = (str(self.root), self.name)
        return not marks or (marks.get(process.PROJECT_MARK), marks.get(process.SERVICE_MARK)) == wanted

    def members(self, main: RunningProcess | None) -> list[psutil.Process]:
        """Return all processes of the service, including children whose parent has exited."""
        found = {member.pid: member for member in process.marked(self.root, self.name)}
        lead = main.identity.process() if main else None
        if lead and self._is_ours(lead):
            found |= {member.pid: member for member in process.family(lead)}
        return [member for member in found.values() if process.running(member.pid)]

    def keeps(self, found: RunningProcess) -> bool:
        """Return whether a process answers, or is young enough to be still starting."""
        return time.time() - found.identity.created < self.timeout or self.answers(found)

    def silence(self) -> str:
        """Return what to report if the service did not answer in time, after its name."""
        return f"did not answer within {self.timeout:.0f} s"

    def answers(self, main: RunningProcess) -> bool:
        """Return whether the service works; False if another process answers on its port."""
        return self.probe.ask(main.port) and process.listen(self.members(main), main.port)

    def end(self, main: RunningProcess | None) -> int:
        """Stop all processes of the service; return their number.

        Raises:
            MlpipesError: A process cannot be stopped.
        """
        return process.end(lambda: self.members(main))


def marked_as(project: ProjectFolder, name: str) -> Daemon:
    """Return a daemon without a command, which can only find and stop a service's processes."""
    root = project.root
    return Daemon(name, root, (), {}, root, log_files.path(project, name), HttpProbe("GET", "/"), 0.0)


def _from_marks(lead: psutil.Process) -> RunningProcess | None:
    marks = process.marks(lead)
    identity = process.identify(lead.pid)
    port = marks.get(process.PORT_MARK, "")
    if identity is None or not port.isdigit():
        return None
    return RunningProcess(identity, int(port), marks.get(process.PRINT_MARK, ""))
