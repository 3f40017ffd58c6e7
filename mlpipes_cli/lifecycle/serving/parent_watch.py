"""Runs a program and ends it, with all its processes, when the parent process ends, even by ``kill -9``.

It is started as a script, so it imports nothing of mlpipes. It leads a process group, whose other members
are the program's processes; they are ended when no process holds the other end of a pipe any more.

Usage: ``python -I -S parent_watch.py DESCRIPTOR PROGRAM ARGUMENT...``
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

_GRACE = 15.0


def _watch(alive: int) -> None:
    os.read(alive, 1)
    os.killpg(0, signal.SIGTERM)
    time.sleep(_GRACE)
    os.killpg(0, signal.SIGKILL)


def main(alive: int, command: list[str]) -> int:
    """Run as long as the program does; return its exit code."""
    child = subprocess.Popen(command)
    for number in (signal.SIGINT, signal.SIGTERM):  # meant for the program, which gets them too
        signal.signal(number, lambda *_: None)
    threading.Thread(target=_watch, args=(alive,), daemon=True).start()
    code = child.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
