"""The working folders of a training, inside the project's cache."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.local_files import file_locks, private_files

_KEEP_DATA = 14 * 24 * 3600.0  # seconds that prepared data is kept after its last use


class Workspace:
    """The job folders of one session.

    Args:
        cache: The project's cache.
        session: The session's identifier.
    """

    def __init__(self, cache: Path, session: str) -> None:
        self.project = cache.parent.parent  # the cache is .mlpipes/cache
        self.jobs = cache / "jobs"
        self.root = self.jobs / session
        self.data = cache / "data"
        self._lock = self.jobs / f"{session}.lock"

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the session's lock for this process, and remove the session's folder at the end.

        Raises:
            MlpipesError: Another process works on this session; or the file system refuses.
        """
        try:
            private_files.folder(self.jobs.parent)
            self.root.mkdir(parents=True, exist_ok=True)
            descriptor = file_locks.take(self._lock)
        except OSError as error:
            raise MlpipesError(
                f"{self.jobs}: cannot be written to: {error.strerror}",
                "free space or check the folder's mode",
            ) from None
        if descriptor is None:
            raise MlpipesError(
                "another `mlpipes train` is running this session",
                "wait for it to finish, or leave out --resume",
            )
        try:
            self._tidy()
            yield
        finally:
            shutil.rmtree(self.root, ignore_errors=True)
            self._lock.unlink(missing_ok=True)
            os.close(descriptor)

    def store(self, fingerprint: str) -> Path:
        """Return the folder for the prepared data of a fingerprint."""
        folder = self.data / fingerprint
        with contextlib.suppress(OSError):
            os.utime(folder)
        return folder

    def job(self, position: int) -> Path:
        """Make a new folder for a candidate's job."""
        folder = self.root / f"{position:03d}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def _tidy(self) -> None:
        """Remove what killed processes left, and data that was not used for long."""
        for lock in self.jobs.glob("*.lock"):
            if lock == self._lock:
                continue
            with contextlib.suppress(OSError), file_locks.held(lock, create=False) as left:
                if left:
                    shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
                    lock.unlink(missing_ok=True)
        oldest = time.time() - _KEEP_DATA
        for folder in self.data.glob("*"):
            with contextlib.suppress(OSError):
                if folder.stat().st_mtime < oldest:
                    shutil.rmtree(folder, ignore_errors=True)
