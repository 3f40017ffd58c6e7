"""The folders of a spool: each belongs to the process that holds its lock, or is abandoned.

``<spool>/<time>-<pid>-<random>/000000001.rows`` are the pending predictions, ``<spool>/set-aside/`` holds
what cannot be replayed. A process holds its folder by ``flock``, which ends with the process in any case;
a process that finds an unlocked folder takes it over. ``<spool>/lock`` is held while folders are made or
searched, so that no process takes one that is about to be locked.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from mlpipes_cli.adapters.spool.segments import (
    FILE_BYTES,
    SUFFIX,
    Segment,
    SegmentWriter,
    segments_in,
    write_new,
)
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.local_files import file_locks
from mlpipes_cli.local_files.atomic_files import sync_folder

LOCK, SET_ASIDE = "lock", "set-aside"
_MEASURED_EVERY = 1.0  # seconds between reads of other processes' sizes


class Spool:
    """The part of a spool that this process holds: its own folder, and those that it took over.

    Args:
        root: The spool's folder; made if it is missing.
        limit: The most bytes that all files of the spool may have together.
        file_bytes: The size at which a file is full.
    """

    def __init__(self, root: Path, limit: int, file_bytes: int = FILE_BYTES) -> None:
        self.root, self._limit, self._file_bytes = root, limit, file_bytes
        self.segments: list[Segment] = []
        self._held: dict[Path, int] = {}
        self._own: Path | None = None
        self._writer: SegmentWriter | None = None
        self._elsewhere, self._measured = 0, float("-inf")

    def open(self) -> None:
        """Take over abandoned folders and make a folder for this process.

        Raises:
            MlpipesError: The folder cannot be used.
        """
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            sync_folder(self.root.parent)
            with file_locks.held(self.root / LOCK, wait=True):
                self._take_over()
                name = f"{time.time_ns() // 1_000_000:015}-{os.getpid()}-{secrets.token_hex(3)}"
                own = self.root / name
                own.mkdir(mode=0o700)
                handle = file_locks.take(own / LOCK, wait=True)
                assert handle is not None
                self._held[own] = handle
                sync_folder(self.root)
        except OSError as error:
            raise _unusable(self.root, error) from None
        self._own, self._writer = own, SegmentWriter(own, self._file_bytes)

    def take_over(self) -> int:
        """Take over folders whose processes ended; return how many predictions they hold.

        Raises:
            MlpipesError: The spool cannot be read.
        """
        try:
            with file_locks.held(self.root / LOCK, wait=True):
                return self._take_over()
        except OSError as error:
            raise _unusable(self.root, error) from None

    def append(self, records: Sequence[bytes], rows: int, oldest: int) -> None:
        """Append records; when this returns they are on disk.

        Raises:
            MlpipesError: They are not stored: the spool or the disk is full, or cannot be written.
        """
        assert self._writer is not None
        if self._size() + sum(map(len, records)) > self._limit:
            raise MlpipesError(
                f"the spool is full ({self._limit} bytes)", "start the database, or increase spool_size"
            )
        try:
            made = self._writer.append(records, rows, oldest)
        except OSError as error:
            raise _unusable(self.root, error) from None
        if made is not None:
            self.segments.append(made)

    def pending(self) -> tuple[int, float]:
        """Return how many predictions wait in this process's folders, and the oldest one's age in seconds."""
        held = [segment for segment in list(self.segments) if segment.oldest is not None]
        if not held:
            return 0, 0.0
        oldest = min(segment.oldest or 0 for segment in held)
        return sum(segment.rows for segment in held), max(time.time() - oldest / 1000, 0.0)

    def close_current(self) -> None:
        """Stop appending to the newest file, since it is about to be replayed."""
        if self._writer is not None:
            self._writer.roll()

    def is_current(self, segment: Segment) -> bool:
        """Return whether the file is the one that is appended to."""
        return self._writer is not None and self._writer.current is segment

    def remove(self, segment: Segment) -> None:
        """Remove a file whose predictions are in the database, and its folder if that was the last.

        Raises:
            MlpipesError: It cannot be removed.
        """
        try:
            segment.path.unlink(missing_ok=True)
        except OSError as error:
            raise _unusable(self.root, error) from None
        self.segments.remove(segment)
        folder = segment.path.parent
        if folder != self._own and not any(other.path.parent == folder for other in self.segments):
            self._release(folder)

    def set_aside(self, segment: Segment, name: str, data: bytes) -> Path:
        """Store what cannot be replayed, on disk, in a file that mlpipes never removes.

        Raises:
            MlpipesError: It cannot be written.
        """
        folder = self.root / SET_ASIDE
        path = folder / f"{segment.path.parent.name}-{segment.path.stem}-{name}"
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            sync_folder(self.root)
            write_new(path, data)
        except OSError as error:
            raise _unusable(folder, error) from None
        return path

    def close(self) -> None:
        """Release the folders; pending predictions wait for the next process."""
        self.close_current()
        for folder in list(self._held):
            self._release(folder)
        self.segments = []

    def _take_over(self) -> int:
        found: list[Segment] = []
        for folder in folders_in(self.root):
            if folder in self._held or (handle := _lock_of(folder)) is None:
                continue
            self._held[folder] = handle
            try:
                here = segments_in(folder)
            except OSError:
                os.close(self._held.pop(folder))
                raise
            found += here
            if not here:
                self._release(folder)
        first_own = next((n for n, s in enumerate(self.segments) if s.path.parent == self._own), None)
        position = len(self.segments) if first_own is None else first_own
        self.segments[position:position] = found
        return sum(segment.rows for segment in found)

    def _release(self, folder: Path) -> None:
        with suppress(OSError):
            for path in folder.glob(f"*{SUFFIX}"):  # the file was made, but nothing was written
                if path.stat().st_size == 0:
                    path.unlink()
            if not any(path.name != LOCK for path in folder.iterdir()):
                (folder / LOCK).unlink(missing_ok=True)
                folder.rmdir()
        os.close(self._held.pop(folder))

    def _size(self) -> int:
        """Return the bytes of the whole spool; other processes' part may be slightly out of date."""
        now = time.monotonic()
        if now - self._measured > _MEASURED_EVERY:
            self._elsewhere, self._measured = self._others(), now
        return self._elsewhere + sum(segment.bytes for segment in self.segments)

    def _others(self) -> int:
        ours, total = {segment.path for segment in self.segments}, 0
        for path in self.root.glob("*/*"):
            if path not in ours:
                with suppress(OSError):
                    total += path.stat().st_size
        return total


def folders_in(root: Path) -> list[Path]:
    """Return the folders of processes, in the order in which they were made."""
    return sorted(path for path in root.iterdir() if path.is_dir() and path.name != SET_ASIDE)


def _lock_of(folder: Path) -> int | None:
    """Lock a folder; return None if another process holds it, or has just removed it."""
    try:
        return file_locks.take(folder / LOCK)
    except FileNotFoundError:
        return None


def _unusable(folder: Path, error: OSError) -> MlpipesError:
    return MlpipesError(
        f"{folder}: predictions cannot be spooled ({error.strerror or type(error).__name__})",
        "check the folder's owner, permissions and free space",
    )
