"""Lock files: held exclusively to build or remove an environment, shared to use it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from mlpipes_cli.local_files import file_locks

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
        if self._descriptor is not None:
            changed = file_locks.lock(self._descriptor, shared=shared)
            if changed and file_locks.is_at(self._descriptor, self._path):
                return True
            self.release()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = file_locks.take(self._path, shared=shared)
        return self._descriptor is not None

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
