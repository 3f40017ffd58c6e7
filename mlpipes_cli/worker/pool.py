"""The core's end of a worker host: gives it jobs, so many at a time, and tells what became of them."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.worker import protocol

_RESTARTS = 3  # of a host that was killed, for instance for memory


@dataclass(frozen=True)
class Event:
    """What happened to a job.

    Attributes:
        kind: started, stage, ended.
        job: Its name.
        stage: What it does now (stage).
        exit: Its exit code, or None (ended).
        signal: The signal that ended it, or None (ended).
        seconds: How long its process lived (ended).
        max_rss: The most memory that it held, in bytes (ended).
        lost: The host itself went, and the job with it (ended).
    """

    kind: str
    job: str
    stage: str = ""
    exit: int | None = None
    signal: int | None = None
    seconds: float = 0.0
    max_rss: int = 0
    lost: bool = False


class Pool:
    """Runs jobs in a worker host; a context manager that leaves no process behind.

    Args:
        log: Gets what the host writes to its standard error.
        parallel: How many jobs run at a time.
    """

    def __init__(self, log: Path, parallel: int = 1) -> None:
        self.parallel = parallel
        self._log = log
        self._host: subprocess.Popen[bytes] | None = None
        self._waiting: deque[tuple[str, Path]] = deque()
        self._running: dict[str, float] = {}
        self._groups: dict[str, int] = {}
        self._pending = b""
        self._restarts = 0

    def __enter__(self) -> Pool:
        self.warm_up()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def warm_up(self) -> None:
        """Start the host, which imports in the meantime."""
        if self._host is None:
            self._log.parent.mkdir(parents=True, exist_ok=True)
            with self._log.open("ab") as log:
                self._host = subprocess.Popen(
                    [sys.executable, "-m", "mlpipes_cli.worker.host"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env=_environment(self._log.parent),
                    start_new_session=True,  # Ctrl-C is for the core
                    bufsize=0,
                )

    def submit(self, job: str, folder: Path) -> None:
        """Queue the job of a folder."""
        self._waiting.append((job, folder))
        self._feed()

    @property
    def busy(self) -> bool:
        """Whether jobs wait or run."""
        return bool(self._waiting or self._running)

    def events(self, timeout: float = 0.5) -> Iterator[Event]:
        """What happened since the last call, waiting at most ``timeout`` seconds for the first."""
        self._feed()
        if self._host is None or self._host.stdout is None:
            return
        with selectors.DefaultSelector() as selector:
            selector.register(self._host.stdout, selectors.EVENT_READ)
            if not selector.select(timeout):
                if self._host.poll() is not None:  # what a job started may hold the pipe open after it
                    yield from self._lost()
                return
        chunk = os.read(self._host.stdout.fileno(), 65536)
        if not chunk:
            yield from self._lost()
            return
        *lines, self._pending = (self._pending + chunk).split(b"\n")
        for text in lines:
            if event := self._event(protocol.parse(text)):
                yield event
        self._feed()

    def stop(self, job: str) -> None:
        """Kill a job; its end comes as an event. One that waits is forgotten without."""
        self._waiting = deque(item for item in self._waiting if item[0] != job)
        if job in self._running:
            self._send(protocol.line("stop", job=job))

    def close(self) -> None:
        """End the host and with it all jobs."""
        self._waiting.clear()
        self._running.clear()
        self._groups.clear()
        self._close_host()

    def _close_host(self) -> int:
        """End the host, if there is one, and return its exit code."""
        host, self._host = self._host, None
        if host is None:
            return 0
        assert host.stdin is not None and host.stdout is not None
        with contextlib.suppress(OSError):
            host.stdin.close()
        try:
            host.wait(timeout=10)
        except subprocess.TimeoutExpired:
            host.kill()
            host.wait()
        host.stdout.close()
        return host.returncode

    def _event(self, message: dict[str, object]) -> Event | None:
        kind, job = str(message["type"]), str(message.get("job", ""))
        if kind == "started":
            self._groups[job] = int(str(message["pid"]))
        if kind == "ended":
            self._running.pop(job, None)
            self._groups.pop(job, None)
        if kind not in {"started", "stage", "ended"}:
            return None
        names = ("stage", "exit", "signal", "seconds", "max_rss")
        fields = {name: message[name] for name in names if name in message}
        return Event(kind, job, **fields)  # type: ignore[arg-type]

    def _feed(self) -> None:
        while self._waiting and len(self._running) < self.parallel:
            job, folder = self._waiting.popleft()
            self._running[job] = time.monotonic()
            self._send(protocol.line("run", job=job, folder=str(folder)))

    def _send(self, line: bytes) -> None:
        self.warm_up()
        assert self._host is not None and self._host.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # its end is read next, as that of its output
            self._host.stdin.write(line)

    def _lost(self) -> Iterator[Event]:
        """The host is gone: its jobs too; start another one for those that wait."""
        lost, self._running = self._running, {}
        code = self._close_host()
        for group in self._groups.values():  # the kernel ends the jobs, but not what they started
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)
        self._groups, self._pending = {}, b""
        for job, started in lost.items():
            number = -code if code < 0 else None
            yield Event("ended", job, signal=number, seconds=time.monotonic() - started, lost=True)
        self._restarts += 1
        if self._restarts > _RESTARTS:
            raise MlpipesError(f"the worker process ended {self._restarts} times", f"its log is {self._log}")


def _environment(scratch: Path) -> dict[str, str]:
    """One thread for each numerical library until a job asks for more; the same hashes each time."""
    quiet = {
        protocol.SCRATCH: str(scratch.absolute()),
        "PYTHONHASHSEED": "0",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MPLBACKEND": "Agg",
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": os.environ.get("PYTHONWARNINGS", "default"),
    }
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {**os.environ, **quiet, **single}
