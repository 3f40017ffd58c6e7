"""The main process's client of one worker host: starts it, sends commands and reads events."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlpipes_cli.child_process import entry, reaper
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.local_files import private_files
from mlpipes_cli.worker import protocol

_MODULE = "mlpipes_cli.worker.host"
_RESTARTS = 3  # of a host that was killed, for example when memory ran out
_GRACE = 3 * reaper.PATIENCE


@dataclass(frozen=True)
class HostEvent:
    """An event of a job.

    Attributes:
        kind: started, stage, ended.
        job: Its name.
        pid: The process id, which is also its group's (started).
        stage: The current stage (stage).
        exit: Its exit code, or None (ended).
        signal: The signal that ended it, or None (ended).
        seconds: The lifetime of its process (ended).
        max_rss: The peak of its resident memory in bytes (ended).
        lost: Whether the host died, and the job with it (ended).
        reason: Why the pool stopped it, if it did (ended).
    """

    kind: str
    job: str
    pid: int = 0
    stage: str = ""
    exit: int | None = None
    signal: int | None = None
    seconds: float = 0.0
    max_rss: int = 0
    lost: bool = False
    reason: str = ""


_FIELDS = ("pid", "stage", "exit", "signal", "seconds", "max_rss", "reason")


def command(python: Path | None) -> list[str]:
    """Return the command that starts a host, with the current interpreter or that of another environment."""
    if python is None:
        return [sys.executable, "-m", _MODULE]
    return [str(python), entry.__file__, _MODULE]


class WorkerHostClient:
    """A worker host as a child process, started with the first job.

    Args:
        log: The file that receives the host's standard error.
        command: The command that starts the host.
        environment: The environment variables of the host.
    """

    def __init__(self, log: Path, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._log, self._command, self._environment = log, list(command), dict(environment)
        self._process: subprocess.Popen[bytes] | None = None
        self._jobs: dict[str, float] = {}
        self._groups: dict[str, int] = {}
        self._pending = b""
        self._restarts = 0
        self.sessions: set[int] = set()  # sessions of all host processes so far

    @property
    def output(self) -> Any:
        """The pipe to wait on for events, or None if the host has not been started."""
        return self._process.stdout if self._process is not None else None

    @property
    def gone(self) -> bool:
        """Whether the host process has ended; its jobs' descendants may still hold the pipe open."""
        return self._process is not None and self._process.poll() is not None

    def start(self) -> None:
        """Start the host, unless it runs; it imports in the background."""
        if self._process is not None:
            return
        private_files.folder(self._log.parent)
        try:
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env=self._environment,
                    start_new_session=True,  # Ctrl-C is for the main process
                    bufsize=0,
                )
        except OSError as error:
            raise MlpipesError(f"{self._command[0]}: cannot be started: {error.strerror}") from None
        self.sessions.add(self._process.pid)

    @property
    def pid(self) -> int | None:
        """The process id of the host, or None if it has not been started."""
        return self._process.pid if self._process is not None else None

    def run(self, job: str, folder: Path, **allocation: Any) -> None:
        """Send the job of a folder to the host, to run on these ``cores`` and ``gpus``."""
        self._jobs[job] = time.monotonic()
        self._send(protocol.line("run", job=job, folder=str(folder), **allocation))

    def stop(self, job: str) -> None:
        """Tell the host to kill a job; the end arrives as an event."""
        if job in self._jobs:
            self._send(protocol.line("stop", job=job))

    def events(self) -> Iterator[HostEvent]:
        """Yield the host's events; call it when the output is readable or the host has ended.

        Raises:
            MlpipesError: The host died too often, or cannot run any job.
        """
        if self._process is None or self._process.stdout is None:
            return
        chunk = b"" if self.gone and not self._readable() else os.read(self._process.stdout.fileno(), 65536)
        if not chunk:
            yield from self._lost()
            return
        *lines, self._pending = (self._pending + chunk).split(b"\n")
        for text in lines:
            if event := self._event(protocol.parse(text)):
                yield event

    def close(self) -> int:
        """End the host and all its jobs; return its exit code."""
        process, self._process = self._process, None
        self._jobs, self._pending = {}, b""
        if process is None:
            return 0
        assert process.stdin is not None and process.stdout is not None
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            process.wait(timeout=_GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
        if not reaper.LINUX:
            for group in self._groups.values():  # descendants of the jobs of a host that was killed
                reaper.kill_group(group)
        self._groups = {}
        return process.returncode

    def _readable(self) -> bool:
        import select

        return bool(select.select([self.output], [], [], 0)[0])

    def _send(self, line: bytes) -> None:
        self.start()
        assert self._process is not None and self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # the end of its output is read next
            self._process.stdin.write(line)

    def _event(self, message: Mapping[str, Any]) -> HostEvent | None:
        kind, job = str(message["type"]), str(message.get("job", ""))
        if kind == "failed":
            raise MlpipesError(str(message["reason"]), f"its log is {self._log}")
        if kind == "started":
            self._groups[job] = int(message["pid"])
        if kind == "ended":
            self._jobs.pop(job, None)
            self._groups.pop(job, None)
        if kind not in {"started", "stage", "ended"}:
            return None
        return HostEvent(kind, job, **{name: message[name] for name in _FIELDS if name in message})

    def _lost(self) -> Iterator[HostEvent]:
        """Yield the end of each job of a host that has died; the next job starts a new host."""
        lost = dict(self._jobs)
        code = self.close()
        for job, started in lost.items():
            number = -code if code < 0 else None
            yield HostEvent("ended", job, signal=number, seconds=time.monotonic() - started, lost=True)
        self._restarts += 1
        if self._restarts > _RESTARTS:
            raise MlpipesError(f"the worker process exited {self._restarts} times", f"its log is {self._log}")
