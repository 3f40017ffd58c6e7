"""Lock files and folders with ``flock``: the system frees the lock when its process ends, however it ends.

Standard library alone: this runs on the nodes of a Ray cluster too (``docs/adr/0001``).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


class UnsupportedError(OSError):
    """The file system refuses locks."""


def take(path: Path, *, wait: bool = False, shared: bool = False, create: bool = True) -> int | None:
    """Lock the file or folder at a path; return its descriptor, which holds the lock until it is closed.

    A file that its holder removed while this process waited is not locked in place of the new one: it
    starts over.

    Args:
        path: A file, made if it is missing; or a folder that exists.
        wait: Wait for the holder; else return None if there is one.
        shared: Share the lock with other holders of shared ones.
        create: Make a missing file, mode 0600.

    Raises:
        UnsupportedError: The file system refuses locks.
        OSError: The path cannot be opened.
    """
    kind = os.O_RDONLY if path.is_dir() else os.O_RDWR | (os.O_CREAT if create else 0)
    while True:
        descriptor = os.open(path, kind, 0o600)
        held = False
        try:
            if not lock(descriptor, wait=wait, shared=shared):
                return None
            if held := is_at(descriptor, path):
                return descriptor
        finally:
            if not held:
                os.close(descriptor)


@contextlib.contextmanager
def held(path: Path, *, wait: bool = False, create: bool = True) -> Iterator[bool]:
    """Hold the lock of :func:`take` for as long as the context lasts; yield False if another holds it.

    Raises:
        OSError: As :func:`take`.
    """
    descriptor = take(path, wait=wait, create=create)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            os.close(descriptor)


def lock(descriptor: int, *, wait: bool = False, shared: bool = False) -> bool:
    """Lock an open file, or change the kind of its lock; return False if another holder prevents it.

    Raises:
        UnsupportedError: The file system refuses locks.
    """
    try:
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        fcntl.flock(descriptor, kind if wait else kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise UnsupportedError(error.errno, error.strerror) from None
    return True


def is_at(descriptor: int, path: Path) -> bool:
    """Return whether an open file is still the one at that path."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
