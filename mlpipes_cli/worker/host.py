"""A warm process that starts a new process for each candidate: ``python -m mlpipes_cli.worker.host``.

It imports what every candidate needs once. On Linux a candidate is then a fork of it, which does not have to
import anything; elsewhere it is a new interpreter. A candidate leads its own process group, and the kernel
kills it first when memory runs out. When a candidate ends, the host also kills its descendants: the process
group and, on Linux, those that left the group (:mod:`mlpipes_cli.child_process.reaper`). If the host
itself is killed, :mod:`mlpipes_cli.child_process.guard` does so.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from mlpipes_cli.child_process import entry, guard, reaper
from mlpipes_cli.worker import candidate_process, protocol


@dataclass
class RunningJob:
    """The process of a candidate."""

    job: str
    pid: int
    started: float
    process: subprocess.Popen[bytes] | None = None


class WorkerHost:
    """The worker host: reads commands until its input ends, then kills the remaining candidates.

    Args:
        commands: File descriptor to read from.
        events: File descriptor to write to.
        fork: Whether candidates are forks of this process.
    """

    def __init__(self, commands: int, events: int, fork: bool) -> None:
        self._commands, self._events, self._fork = commands, events, fork
        self._running: dict[int, RunningJob] = {}
        self._wake, self._woken = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(self._woken, False)

    def serve(self) -> None:
        """Run the event loop."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._woken, warn_on_full_buffer=False)
        self._tell("ready", python=sys.version.split()[0])
        pending = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self._commands, selectors.EVENT_READ)
            selector.register(self._wake, selectors.EVENT_READ)
            while True:
                ready = {key.fd for key, _ in selector.select()}
                if self._wake in ready:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self._wake, 4096)
                    self._reap()
                if self._commands in ready:
                    chunk = os.read(self._commands, 65536)
                    if not chunk:
                        break
                    *lines, pending = (pending + chunk).split(b"\n")
                    for text in lines:
                        self._obey(protocol.parse(text))
        self.stop_all()

    def stop_all(self) -> None:
        """Kill every candidate and its descendants."""
        for running in list(self._running.values()):
            reaper.kill_group(running.pid)
        for pid in list(self._running):
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
        self._running.clear()
        reaper.sweep()

    def _obey(self, message: dict[str, object]) -> None:
        job = str(message["job"])
        if message["type"] == "run":
            self._start(
                job,
                Path(str(message["folder"])),
                {name: message.get(name) for name in candidate_process.PLACE},
            )
        elif message["type"] == "stop":
            for running in self._running.values():
                if running.job == job:
                    reaper.kill_group(running.pid)

    def _start(self, job: str, folder: Path, allocation: dict[str, object]) -> None:
        process = None
        if self._fork:
            pid = os.fork()
            if pid == 0:
                self._become(job, folder, allocation)
        else:
            command = [sys.executable, entry.__file__, "mlpipes_cli.worker.candidate_process"]
            command += [str(folder), job, str(self._events), json.dumps(allocation)]
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, pass_fds=[self._events], process_group=0
            )
            pid = process.pid
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)  # the child does so too, in case it runs first
        self._running[pid] = RunningJob(job, pid, time.monotonic(), process)
        self._tell("started", job=job, pid=pid)

    def _become(self, job: str, folder: Path, allocation: dict[str, object]) -> None:
        """Run the job in the forked child; never return."""
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for descriptor in (self._commands, self._wake, self._woken):
                os.close(descriptor)
            os.setpgid(0, 0)
            code = candidate_process.run(folder, job, self._events, os.getppid(), allocation)
        except BaseException:  # noqa: BLE001 (nothing may unwind into the host's loop)
            code = 70
        os._exit(code)

    def _reap(self) -> None:
        for pid, running in list(self._running.items()):
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                continue
            reaper.kill_group(pid)  # its remaining descendants; the pid is not reused before wait4
            _, status, usage = os.wait4(pid, 0)
            del self._running[pid]
            reaper.sweep(keep=self._running)
            code = os.waitstatus_to_exitcode(status)
            if running.process is not None:
                running.process.returncode = code
            self._tell(
                "ended",
                job=running.job,
                exit=code if code >= 0 else None,
                signal=-code if code < 0 else None,
                seconds=time.monotonic() - running.started,
                max_rss=usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
            )

    def _tell(self, kind: str, **fields: object) -> None:
        with contextlib.suppress(BrokenPipeError):  # the main process has exited; the input ends next
            os.write(self._events, protocol.line(kind, **fields))


def _terminated(*_: object) -> None:
    """Exit, and ignore the second signal that a guard sends if it is terminated and then killed."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(0)


def main() -> None:
    """Start the process guard, preload, then serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    guard.stand_guard(0)
    reaper.adopt()
    commands, events = os.dup(0), os.dup(1)  # keeps 0 and 1 from libraries that read or print
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(2, 1)
    signal.signal(signal.SIGTERM, _terminated)
    fork = sys.platform == "linux" and os.environ.get("MLPIPES_WORKER_START") != "spawn"
    if fork:
        gc.disable()  # imports produce hardly any garbage
        candidate_process.preload()
        gc.enable()
        gc.collect()
        gc.freeze()  # keeps the collector from touching, and so copying, shared pages
    host = WorkerHost(commands, events, fork)
    try:
        host.serve()
    finally:
        host.stop_all()
        guard.clean()


if __name__ == "__main__":
    main()
