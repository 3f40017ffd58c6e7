"""The core's end of one worker host: starts it, tells it what to do, reads what it says."""

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

from mlpipes_cli import private_files
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.worker import entry, protocol, reaper

_MODULE = "mlpipes_cli.worker.host"
_RESTARTS = 3  # of a host that was killed, for instance for memory
_GRACE = 3 * reaper.PATIENCE


@dataclass(frozen=True)
class HostEvent:
    """What happened to a job.

    Attributes:
        kind: started, stage, ended.
        job: Its name.
        pid: Of its process, which leads a group (started).
        stage: What it does now (stage).
        exit: Its exit code, or None (ended).
        signal: The signal that ended it, or None (ended).
        seconds: How long its process lived (ended).
        max_rss: The most memory that it held, in bytes (ended).
        lost: The host itself went, and the job with it (ended).
        reason: Why it was stopped, where the pool stopped it (ended).
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
    """What starts a host: in our own environment, or with another one's interpreter."""
    if python is None:
        return [sys.executable, "-m", _MODULE]
    return [str(python), entry.__file__, _MODULE]


class WorkerHostClient:
    """A process that starts a process for each job; it is started with the first.

    Args:
        log: Gets what it writes to its standard error.
        command: What starts it.
        environment: Its own.
    """

    def __init__(self, log: Path, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._log, self._command, self._environment = log, list(command), dict(environment)
        self._process: subprocess.Popen[bytes] | None = None
        self._jobs: dict[str, float] = {}
        self._groups: dict[str, int] = {}
        self._pending = b""
        self._restarts = 0
        self.sessions: set[int] = set()  # of its processes so far

    @property
    def output(self) -> Any:
        """What to wait on for events, or None where nothing was started."""
        return self._process.stdout if self._process is not None else None

    @property
    def gone(self) -> bool:
        """Whether its process ended; what a job started may hold the pipe open after it."""
        return self._process is not None and self._process.poll() is not None

    def start(self) -> None:
        """Start it, unless it runs; it imports in the meantime."""
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
                    start_new_session=True,  # Ctrl-C is for the core
                    bufsize=0,
                )
        except OSError as error:
            raise MlpipesError(f"{self._command[0]}: cannot be started: {error.strerror}") from None
        self.sessions.add(self._process.pid)

    @property
    def pid(self) -> int | None:
        """Of its process, where it was started."""
        return self._process.pid if self._process is not None else None

    def run(self, job: str, folder: Path, **place: Any) -> None:
        """Have it do the job of a folder, on these ``cores`` and ``gpus``."""
        self._jobs[job] = time.monotonic()
        self._send(protocol.line("run", job=job, folder=str(folder), **place))

    def stop(self, job: str) -> None:
        """Have it kill a job; its end comes as an event."""
        if job in self._jobs:
            self._send(protocol.line("stop", job=job))

    def events(self) -> Iterator[HostEvent]:
        """What it said; to be called when its output can be read, or it is gone.

        Raises:
            MlpipesError: It was lost too often, or can run nothing.
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
        """End it and with it all jobs; its exit code."""
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
            for group in self._groups.values():  # what the jobs of a host that was killed had started
                reaper.kill_group(group)
        self._groups = {}
        return process.returncode

    def _readable(self) -> bool:
        import select

        return bool(select.select([self.output], [], [], 0)[0])

    def _send(self, line: bytes) -> None:
        self.start()
        assert self._process is not None and self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # its end is read next, as that of its output
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
        """It is gone: its jobs too; the next job starts another one."""
        lost = dict(self._jobs)
        code = self.close()
        for job, started in lost.items():
            number = -code if code < 0 else None
            yield HostEvent("ended", job, signal=number, seconds=time.monotonic() - started, lost=True)
        self._restarts += 1
        if self._restarts > _RESTARTS:
            raise MlpipesError(f"the worker process exited {self._restarts} times", f"its log is {self._log}")
