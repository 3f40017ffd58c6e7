"""Stands between the core and a worker host, does nothing, and is there when both are gone.

It is the process that the core started, from before anything was imported; the host is a fork of it. When the
host ends, however it does, the keeper ends what the host's jobs left behind. When the core goes and the host
does not end by itself in time, the keeper kills it.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import time

from mlpipes_cli.worker import protocol, reaper

_GRACE = 2 * reaper.PATIENCE  # seconds that the host has to end after the core did


def stand_guard(commands: int) -> None:
    """Fork. Returns in the child, which is the host and is terminated with the keeper; never in the keeper.

    Args:
        commands: Where the core's commands come from; its other end is closed when the core goes.
    """
    if not reaper.LINUX:
        return
    reaper.adopt()
    keeper = os.getpid()
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
        os.setpgid(0, 0)  # who kills the keeper with its group leaves the host to clean up
        reaper.die_with(keeper, signal.SIGTERM)  # it ends its jobs itself then
        return
    code = 70
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: os.kill(host, signal.SIGTERM))
        os.close(1)  # what the host says ends with the host
        code = _wait(host, commands, wake)
        reaper.sweep()
        clean()
    finally:
        if code < 0:
            with contextlib.suppress(OSError, ValueError):
                signal.signal(-code, signal.SIG_DFL)
            os.kill(keeper, -code)
        os._exit(abs(code))


def _wait(host: int, commands: int, wake: int) -> int:
    """Until the host is gone; its exit code, or minus the signal that ended it."""
    poller = select.poll()
    poller.register(commands, 0)  # only the end is of interest, and that is always told
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
    """Remove the folder that the core asked for to be gone with us, where it gave one."""
    if folder := os.environ.get(protocol.REMOVE):
        shutil.rmtree(folder, ignore_errors=True)
