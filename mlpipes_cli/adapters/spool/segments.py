"""The files of one folder of the spool: appended to, read and removed, each change synced to disk."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path

from mlpipes_cli.adapters.spool.record_format import Damage, SpoolRecord, scan
from mlpipes_cli.local_files.atomic_files import sync_folder

SUFFIX = ".rows"
FILE_BYTES = 8 * 2**20  # a file is read whole when it is replayed


@dataclass
class Segment:
    """A file and a summary of its content.

    Attributes:
        path: The file.
        bytes: Its length.
        rows: Predictions in its complete records.
        oldest: When the oldest of them was made, milliseconds since the epoch; None if there are none.
    """

    path: Path
    bytes: int = 0
    rows: int = 0
    oldest: int | None = None

    def add(self, size: int, rows: int, oldest: int) -> None:
        """Count what was written."""
        self.bytes += size
        self.rows += rows
        self.oldest = oldest if self.oldest is None else min(self.oldest, oldest)


def read(path: Path) -> Segment:
    """Read an existing file, its headers only.

    Raises:
        OSError: It cannot be read.
    """
    segment = Segment(path, path.stat().st_size)
    if segment.bytes == 0:
        return segment
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        for found in scan(data, whole=False):
            if isinstance(found, SpoolRecord):
                segment.add(0, found.rows, found.oldest)
    return segment


def segments_in(folder: Path) -> list[Segment]:
    """Return the files of a folder that are not empty, oldest first.

    Raises:
        OSError: The folder or a file cannot be read.
    """
    found = [read(path) for path in sorted(folder.glob(f"*{SUFFIX}"))]
    return [segment for segment in found if segment.bytes]


class SegmentWriter:
    """Appends records to the newest file of a folder; used by one thread at a time.

    Args:
        folder: The folder, which must exist.
        file_bytes: A file of at least this length is not appended to.
    """

    def __init__(self, folder: Path, file_bytes: int = FILE_BYTES) -> None:
        self._folder, self._file_bytes = folder, file_bytes
        self._number = 0
        self._handle: int | None = None
        self.current: Segment | None = None

    def append(self, records: Sequence[bytes], rows: int, oldest: int) -> Segment | None:
        """Append the records together; when this returns they are on disk.

        Returns:
            The file, if it is a new one.

        Raises:
            OSError: They are not stored.
        """
        made = self._begin() if self.current is None else None
        segment, handle = self.current, self._handle
        assert segment is not None
        assert handle is not None
        data = b"".join(records)
        try:
            _write_all(handle, data)
            os.fsync(handle)
        except OSError:
            self._give_up(segment, handle)
            raise
        segment.add(len(data), rows, oldest)
        if segment.bytes >= self._file_bytes:
            self.roll()
        return made

    def roll(self) -> None:
        """Close the open file; the next record begins another one."""
        if self._handle is not None:
            os.close(self._handle)
        self._handle = self.current = None

    def _begin(self) -> Segment:
        self._number += 1
        path = self._folder / f"{self._number:09}{SUFFIX}"
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            sync_folder(self._folder)
        except OSError:
            os.close(handle)
            with suppress(OSError):
                path.unlink()
            raise
        self._handle, self.current = handle, Segment(path)
        return self.current

    def _give_up(self, segment: Segment, handle: int) -> None:
        """After a failed write, whose extent is unknown, truncate the file and do not append to it again."""
        with suppress(OSError):
            os.ftruncate(handle, segment.bytes)
            os.fsync(handle)
        self.roll()
        if segment.bytes == 0:
            with suppress(OSError):
                segment.path.unlink()


def records_of(data: bytes) -> Iterator[SpoolRecord | Damage]:
    """Yield the records and damaged parts of a file; an incomplete record at its end is skipped."""
    return (found for found in scan(data) if isinstance(found, (SpoolRecord, Damage)))


def write_new(path: Path, data: bytes) -> None:
    """Write a file that is on disk, with its name, when this returns; an existing file is replaced."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        _write_all(handle, data)
        os.fsync(handle)
    finally:
        os.close(handle)
    sync_folder(path.parent)


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]
