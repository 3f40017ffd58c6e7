"""The process guard: a process between the main process and a worker host that cleans up after both.

It is the process that the main process started, before anything was imported; the host is a fork of it.
However the host ends, the guard kills what the host's jobs left behind. If the main process exits and the
host does not end in time, the guard kills it.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import time

from mlpipes_cli.child_process import reaper

REMOVE = "MLPIPES_WORKER_REMOVE"  # folder to remove when the process has ended
_GRACE = 2 * reaper.PATIENCE  # seconds for the host to end after the main process has


def stand_guard(commands: int) -> None:
    """Fork the host and guard it. Return in the child, which is the host; never return in the guard.

    The host is terminated when the guard is.

    Args:
        commands: The pipe from the main process; its other end closes when the main process exits.
    """
    if not reaper.LINUX:
        return
    reaper.adopt()
    guard_pid = os.getpid()
    wake, woken = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(woken, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    before = signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    host = os.fork()
    if host == 0:
        signal.set_wakeup_fd(before)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.close(wake)
        os.close(woken)
        os.setpgid(0, 0)  # if the guard is killed with its group, the host is left to clean up
        reaper.die_with(guard_pid, signal.SIGTERM)  # the host then ends its jobs itself
        return
    code = 70
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: os.kill(host, signal.SIGTERM))
        os.close(1)  # only the host holds its output open
        code = _wait(host, commands, wake)
        reaper.sweep()
        clean()
    finally:
        if code < 0:
            with contextlib.suppress(OSError, ValueError):
                signal.signal(-code, signal.SIG_DFL)
            os.kill(guard_pid, -code)
        os._exit(abs(code))


def _wait(host: int, commands: int, wake: int) -> int:
    """Wait for the host to end; return its exit code, or minus the signal that ended it."""
    poller = select.poll()
    poller.register(commands, 0)  # only the hang-up matters, and poll always reports it
    poller.register(wake, select.POLLIN)
    deadline: float | None = None
    while True:
        pid, status = os.waitpid(host, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        ready = [descriptor for descriptor, _ in poller.poll(None if left is None else left * 1000)]
        if wake in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(wake, 4096)
        if commands in ready and deadline is None:
            poller.unregister(commands)
            deadline = time.monotonic() + _GRACE
        if deadline is not None and time.monotonic() >= deadline:
            reaper.kill(host)
            deadline = None


def clean() -> None:
    """Remove the folder that the main process asked to remove, if any."""
    if folder := os.environ.get(REMOVE):
        shutil.rmtree(folder, ignore_errors=True)
