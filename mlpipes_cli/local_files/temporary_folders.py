"""Private temporary folders that no killed process leaves for ever: the next one removes what is left."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mlpipes_cli.local_files import file_locks


@contextlib.contextmanager
def folder(prefix: str) -> Iterator[Path]:
    """Yield an empty folder below the system's temporary one, and remove it when the context ends.

    Folders with the same prefix whose process was killed are removed first; those in use are locked.

    Args:
        prefix: The start of the folder's name.

    Raises:
        OSError: The folder cannot be made.
    """
    remove_left(Path(tempfile.gettempdir()), prefix)
    made, lock = _locked(prefix)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _locked(prefix: str) -> tuple[Path, int | None]:
    while True:
        made = Path(tempfile.mkdtemp(prefix=prefix))
        try:
            return made, file_locks.take(made, wait=True)
        except FileNotFoundError:  # another process took it for one that is left, before it was locked
            continue
        except file_locks.UnsupportedError:
            return made, None


def remove_left(folder: Path, prefix: str) -> None:
    """Remove the folders of a place whose processes were killed.

    Args:
        place: The folder that they are in.
        prefix: The start of their names.
    """
    for left in folder.glob(f"{prefix}*"):
        with contextlib.suppress(OSError), file_locks.held(left, create=False) as free:
            if free:
                shutil.rmtree(left, ignore_errors=True)
