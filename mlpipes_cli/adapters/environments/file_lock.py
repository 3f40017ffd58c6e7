"""Lock files: held exclusively to build or remove an environment, shared to use it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

_PAUSE = 0.2  # seconds between two attempts


class EnvironmentLock:
    """A lock on a file, held by this object until ``release``; the kernel frees locks of killed processes.

    Args:
        path: The file; made if necessary.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def take(self, shared: bool) -> bool:
        """Lock, or change the lock's kind, without waiting; return False without a lock if another has it."""
        while True:
            if self._descriptor is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
                fcntl.flock(self._descriptor, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                self.release()
                return False
            if self._is_current():
                return True
            self.release()  # the file was removed in between

    def wait(self, shared: bool, waiting: Callable[[], None], stopped: Callable[[], bool]) -> bool:
        """Lock, however long that takes; return False if it was stopped."""
        told = False
        while not self.take(shared):
            if stopped():
                return False
            if not told:
                waiting()
                told = True
            time.sleep(_PAUSE)
        return True

    def remove(self) -> None:
        """Remove the file, which this object holds exclusively, and release it."""
        self._path.unlink(missing_ok=True)
        self.release()

    def release(self) -> None:
        """Release the lock."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _is_current(self) -> bool:
        assert self._descriptor is not None
        with contextlib.suppress(OSError):
            return os.fstat(self._descriptor).st_ino == self._path.stat().st_ino
        return False
