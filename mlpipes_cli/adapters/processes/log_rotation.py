"""Rotate large logs while services write to them.

The writers keep the log open for appending, and some of them, such as PostgreSQL, cannot reopen it. So the
content is copied, and then the log is truncated. A service that runs as long as the stack does this for all
logs.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from pathlib import Path

from mlpipes_cli.local_files import atomic_files, file_locks

LIMIT = 20 * 1024**2
FOLDER = "MLPIPES_LOG_FOLDER"  # set for the service that rotates the logs
_PAUSE = 15.0
_CHUNK = 1 << 20


def keep(folder: Path, pause: float = _PAUSE) -> None:
    """Rotate the logs in a folder from a daemon thread, every ``pause`` seconds."""

    def watch() -> None:
        while True:
            time.sleep(pause)
            for path in folder.glob("*.log"):
                with contextlib.suppress(OSError):  # a full disk or a removed log: retried later
                    put_aside(path)

    threading.Thread(target=watch, name="logs", daemon=True).start()


def put_aside(path: Path, limit: int = LIMIT) -> bool:
    """Copy a log larger than ``limit`` bytes to ``<name>.1`` and truncate it; return whether it was done.

    Raises:
        OSError: The log cannot be read or copied; it is unchanged.
    """
    if path.stat().st_size <= limit:
        return False
    with path.open("rb+") as log:
        if not file_locks.lock(log.fileno()):  # another process rotates it
            return False
        if os.fstat(log.fileno()).st_size <= limit:
            return False
        older = path.with_name(f"{path.name}.1")
        with atomic_files.replacing(older, atomic_files.PRIVATE) as old:
            shutil.copyfileobj(log, old, _CHUNK)
            while chunk := log.read(_CHUNK):  # written meanwhile
                old.write(chunk)
            old.flush()  # a full disk shows before the log is emptied
            os.ftruncate(log.fileno(), 0)
    return True
