"""Read and write small JSON files atomically, and lock a stack."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.local_files import atomic_files, file_locks, private_files
from mlpipes_cli.project import BACKUPS

_held: set[tuple[int, int, Path]] = set()


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a file, or an empty one if the file is missing or damaged.

    Raises:
        MlpipesError: There is no permission to read the file.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except PermissionError:
        raise MlpipesError(
            f"{path}: no permission to read", "check whether another user ran `mlpipes up`"
        ) from None
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Replace a file atomically.

    Raises:
        MlpipesError: The file cannot be written; the old one is unchanged.
    """
    try:
        atomic_files.write_text(path, json.dumps(value, indent=2) + "\n")
    except OSError as error:
        raise unwritable(path, error) from None


def unwritable(path: Path, error: OSError) -> MlpipesError:
    """Return the error for a file or folder that cannot be written."""
    return MlpipesError(
        f"{path}: cannot be written ({error.strerror})",
        "check the folder's owner, permissions and free space",
    )


def clear_folder(folder: Path, keep: str = "lock") -> None:
    """Remove a stack's state, except backups and the lock file, since the caller still holds the lock.

    Raises:
        MlpipesError: A file or folder cannot be removed.
    """
    try:
        for path in folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                if path.name != BACKUPS:
                    shutil.rmtree(path)
            elif path.name != keep:
                path.unlink()
    except OSError as error:
        raise unwritable(folder, error) from None


def make_folder(path: Path) -> None:
    """Create the state folder, with a ``.gitignore`` that excludes its content.

    Raises:
        MlpipesError: The folder cannot be created.
    """
    try:
        private_files.passage(path)
        ignore = path / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")
    except OSError as error:
        raise unwritable(path, error) from None


@contextmanager
def locked(path: Path, waiting: Callable[[str], None]) -> Iterator[None]:
    """Hold a stack's exclusive lock; the lock file is removed afterwards.

    The operating system releases the lock when its holder exits or is killed. The thread that holds
    the lock may acquire it again.

    Args:
        path: The lock file.
        waiting: Called once, with a text that names the holder's pid, if another holder has the lock.

    Raises:
        MlpipesError: The lock file cannot be created, or the file system does not support locks.
    """
    mine = (os.getpid(), threading.get_ident(), path)
    if mine in _held:
        yield
        return
    handle = _acquire(path, waiting)
    _held.add(mine)
    try:
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        _held.discard(mine)
        path.unlink(missing_ok=True)  # before the release: a waiting process sees that and starts over
        os.close(handle)


def _acquire(path: Path, waiting: Callable[[str], None]) -> int:
    announced = False
    while True:
        make_folder(path.parent)
        try:
            handle = file_locks.take(path, wait=announced)
        except FileNotFoundError:
            continue  # another process has just removed the folder
        except file_locks.UnsupportedError as error:
            raise MlpipesError(
                f"{path}: this file system does not support locks ({error.strerror})",
                "put the project on a local disk",
            ) from None
        except OSError as error:
            raise unwritable(path, error) from None
        if handle is not None:
            return handle
        waiting(_holder(path))
        announced = True


def _holder(path: Path) -> str:
    with suppress(OSError):
        if pid := path.read_text(errors="replace").strip():
            return f"pid {pid}"
    return "another process"
