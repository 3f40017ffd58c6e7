"""A server as a tree of processes: started, asked until it answers right, weighed, ended."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from envs import ROOT, BenchError
from peers.base import HOST, Answers, Launch, Record, Route

MARK = "MLPIPES_BENCHMARK"
RUN = uuid.uuid4().hex  # every process of this run carries it in its environment
PATIENCE = 120.0
PAUSE = 0.01
GRACE = 10.0
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "TZ")


@dataclass(frozen=True)
class Memory:
    """Of a tree of processes, in MB: resident, and with shared pages divided among their users."""

    rss: float
    pss: float
    processes: int


class Server:
    """A server that was started.

    Args:
        launch: How.
        port: Where it listens.
        log: What it writes goes there.
    """

    def __init__(self, launch: Launch, port: int, log: Path) -> None:
        self.port, self.log = port, log
        self._mark = f"{RUN}/{uuid.uuid4().hex}"
        kept = {name: os.environ[name] for name in INHERITED if name in os.environ}
        self.started = time.perf_counter()
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                launch.command,
                cwd=launch.folder,
                env={**kept, **launch.environment, MARK: self._mark},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self, ask: Callable[[], bool]) -> float:
        """Seconds from the start of the command until ``ask`` is true.

        Raises:
            BenchError: The server ended, or it takes too long.
        """
        while time.perf_counter() - self.started < PATIENCE:
            if ask():
                return time.perf_counter() - self.started
            if self.process.poll() is not None:
                raise BenchError(f"it ended with code {self.process.returncode}: {self.last_words()}")
            time.sleep(PAUSE)
        raise BenchError(f"no right answer in {PATIENCE:.0f} s: {self.last_words()}")

    def last_words(self) -> str:
        """The end of its log in one line."""
        text = self.log.read_text(errors="replace").replace(f"{ROOT}/", "").replace(f"{Path.home()}/", "~/")
        return " ".join(text.split())[-400:] or "its log is empty"

    def family(self) -> list[psutil.Process]:
        """Its process and all below."""
        try:
            first = psutil.Process(self.process.pid)
            return [first, *first.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def memory(self) -> Memory:
        """What the tree uses now."""
        rss = pss = 0
        count = 0
        for process in self.family():
            with contextlib.suppress(psutil.Error):
                used = process.memory_full_info()
                rss, pss, count = rss + used.rss, pss + used.pss, count + 1
        return Memory(rss / 2**20, pss / 2**20, count)

    def resident(self) -> float:
        """Its resident memory in MB, by a counter: nothing is walked through, nothing waits."""
        used = 0
        for process in self.family():
            with contextlib.suppress(psutil.Error):
                used += process.memory_info().rss
        return used / 2**20

    def seconds(self) -> float:
        """Processor time of the tree so far."""
        used = 0.0
        for process in self.family():
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                used += times.user + times.system
        return used

    def end(self) -> None:
        """SIGTERM to its first process, then SIGKILL to whatever is left of it."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(GRACE)
        sweep(self._mark)
        self.process.wait()


def sweep(mark: str = RUN) -> list[str]:
    """Kill all that this run, or one server of it, started and that is still there; their names."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.pid != os.getpid() and process.environ().get(MARK, "").startswith(mark):
                found.append(process)
                process.kill()
    psutil.wait_procs(found, timeout=GRACE)
    return [str(process.pid) for process in found]


@contextlib.contextmanager
def serving(launch: Launch, port: int, log: Path) -> Iterator[Server]:
    """The server for as long as the context lasts."""
    server = Server(launch, port, log)
    try:
        yield server
    finally:
        server.end()


def post(port: int, path: str, body: str, timeout: float = 60.0) -> tuple[int, bytes]:
    """One request on a connection of its own.

    Raises:
        OSError: Nobody answers.
    """
    connection = http.client.HTTPConnection(HOST, port, timeout=timeout)
    try:
        connection.request("POST", path, body.encode(), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except http.client.HTTPException as error:
        raise OSError(str(error)) from None
    finally:
        connection.close()


def ask(port: int, route: Route, model: str, records: Sequence[Record]) -> Answers:
    """What the server says to the records.

    Raises:
        OSError: Nobody answers.
        BenchError: It answers something else.
    """
    status, body = post(port, route.path.format(model=model), route.encode(records))
    if status != 200:
        raise BenchError(f"{route.path} answered {status}: {body[:200].decode(errors='replace')}")
    try:
        return route.read(json.loads(body))
    except (ValueError, LookupError, TypeError) as error:
        raise BenchError(f"{route.path} answered what cannot be read: {error!r}") from None
