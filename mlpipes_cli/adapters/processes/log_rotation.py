"""Logs of services that go on for months: one that has become large is put aside while it is written.

Its writers hold it open for appending, PostgreSQL among them, whom nobody can tell to open another: so what
is in it is copied, and then it is cut. A service that runs as long as the stack does this for all its logs.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import threading
import time
from pathlib import Path

from mlpipes_cli import private_files

LIMIT = 20 * 1024**2
FOLDER = "MLPIPES_LOG_FOLDER"  # of a service that keeps the logs
_PAUSE = 15.0
_CHUNK = 1 << 20


def keep(folder: Path, pause: float = _PAUSE) -> None:
    """Look after the logs in a folder for as long as this process lives."""

    def watch() -> None:
        while True:
            time.sleep(pause)
            for path in folder.glob("*.log"):
                with contextlib.suppress(OSError):  # a full disk, or a log that went away: the next time
                    put_aside(path)

    threading.Thread(target=watch, name="logs", daemon=True).start()


def put_aside(path: Path, limit: int = LIMIT) -> bool:
    """Copy a log that is larger than the limit to ``<name>.1`` and empty it; whether that was done.

    Raises:
        OSError: It cannot be read or copied; it is as it was then.
    """
    if path.stat().st_size <= limit:
        return False
    beside = path.with_name(f"{path.name}.1.new")
    with path.open("rb+") as log:
        try:
            fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # another process is at it
            return False
        if os.fstat(log.fileno()).st_size <= limit:
            return False
        try:
            with private_files.create(beside) as old:
                shutil.copyfileobj(log, old, _CHUNK)
                while piece := log.read(_CHUNK):  # what came meanwhile
                    old.write(piece)
                os.ftruncate(log.fileno(), 0)
        except OSError:
            beside.unlink(missing_ok=True)
            raise
        beside.replace(path.with_name(f"{path.name}.1"))
    return True
