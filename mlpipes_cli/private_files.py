"""Files and folders with rows, predictions or models in them: for the account that made them alone.

A file that a command writes where the user says has mode 0600, whatever the umask: whoever wants to share it
says so once, since a file that is written over keeps its mode.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import BinaryIO


def folder(path: Path) -> Path:
    """Make a folder that nobody else may enter; one of an earlier release is closed.

    What is made on the way to it nobody else may write to.

    Raises:
        OSError: It cannot be made.
    """
    made = [parent for parent in path.parents if not parent.exists()]
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    for parent in made:
        _take_away(parent, 0o022)
    _take_away(path, 0o077)
    return path


def passage(path: Path) -> Path:
    """Make a folder that nobody else may write to, whatever the umask: ``.mlpipes``.

    It is no private one: where root runs the tool, PostgreSQL has another account, and its data lies in it.

    Raises:
        OSError: It cannot be made.
    """
    path.mkdir(parents=True, exist_ok=True)
    _take_away(path, 0o022)
    return path


def _take_away(path: Path, bits: int) -> None:
    mode = path.stat().st_mode & 0o7777
    if mode & bits:
        with contextlib.suppress(PermissionError):  # somebody else's, who decides
            path.chmod(mode & ~bits)


def create(path: Path) -> BinaryIO:
    """Open a new file for writing; what is there under that name is let go of.

    Raises:
        OSError: It cannot be made.
    """
    path.unlink(missing_ok=True)
    return open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600))


def put(part: Path, path: Path) -> None:
    """Have a file that was written beside its place take it, with the mode of the one that was there.

    Raises:
        OSError: It cannot.
    """
    with contextlib.suppress(FileNotFoundError):
        part.chmod(path.stat().st_mode & 0o777)
    part.replace(path)
