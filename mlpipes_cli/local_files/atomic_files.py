"""Replace files in one step: readers find the old content or the whole new one, and an error changes nothing.

The new content is in a file beside the target, with the process and the thread in its name.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

PRIVATE = 0o600


class Replacement:
    """The new content of a file: at its path after :meth:`put`, gone after :meth:`drop`.

    Args:
        path: The file to make or to replace.
        mode: The mode of the new file, less the umask.
        keep_mode: Keep the mode of an existing file.
        durable: Sync content and name to disk before :meth:`put` returns.

    Attributes:
        file: Open for writing bytes.

    Raises:
        OSError: The file beside the target cannot be made.
    """

    def __init__(
        self, path: Path, mode: int = 0o666, *, keep_mode: bool = False, durable: bool = False
    ) -> None:
        self._path, self._keep_mode, self._durable = path, keep_mode, durable
        self._temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_native_id()}.new")
        self._temporary.unlink(missing_ok=True)  # a killed process had the same id; or a trap is laid there
        self.file = os.fdopen(os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb")

    def put(self) -> None:
        """Give the new content its name.

        Raises:
            OSError: It cannot be written; an existing file is unchanged.
        """
        with self.file as file:
            if self._keep_mode:
                with contextlib.suppress(FileNotFoundError):
                    os.fchmod(file.fileno(), self._path.stat().st_mode & 0o777)
            if self._durable:
                file.flush()
                os.fsync(file.fileno())
        self._temporary.replace(self._path)
        if self._durable:
            with contextlib.suppress(OSError):  # not every file system can do that for a folder
                sync_folder(self._path.parent)

    def drop(self) -> None:
        """Remove the new content, unless it has its name already."""
        with contextlib.suppress(OSError):
            self.file.close()
        with contextlib.suppress(OSError):
            self._temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing(
    path: Path, mode: int = 0o666, *, keep_mode: bool = False, durable: bool = False
) -> Iterator[BinaryIO]:
    """Yield the file of a :class:`Replacement`; put it in place if the context ends without an error.

    Raises:
        OSError: It cannot be written; an existing file is unchanged.
    """
    new = Replacement(path, mode, keep_mode=keep_mode, durable=durable)
    try:
        yield new.file
        new.put()
    finally:
        new.drop()


def write_text(
    path: Path, text: str, mode: int = 0o666, *, keep_mode: bool = False, durable: bool = False
) -> None:
    """Replace a file by a text in UTF-8, with line ends as they are.

    Raises:
        OSError: It cannot be written; an existing file is unchanged.
    """
    with replacing(path, mode, keep_mode=keep_mode, durable=durable) as file:
        file.write(text.encode())


def sync_folder(folder: Path) -> None:
    """Sync the names in a folder to disk.

    Raises:
        OSError: The folder cannot be opened, or the file system cannot do that.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
