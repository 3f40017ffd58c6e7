"""Files and folders that hold rows, predictions or models: only the account that made them has access.

A file that a command writes to a path given by the user has mode 0600, whatever the umask. A user who wants
to share it changes the mode once: overwriting a file keeps its mode.
"""

from __future__ import annotations

import contextlib
from pathlib import Path


def folder(path: Path) -> Path:
    """Make a folder that only its owner may enter; restrict an existing one from an earlier release.

    Missing parent folders are made too; only their owner may write to them.

    Raises:
        OSError: The folder cannot be made.
    """
    made = [parent for parent in path.parents if not parent.exists()]
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    for parent in made:
        _take_away(parent, 0o022)
    _take_away(path, 0o077)
    return path


def passage(path: Path) -> Path:
    """Make a folder that only its owner may write to, whatever the umask: ``.mlpipes``.

    It is not private: where root runs the tool, PostgreSQL has another account and keeps its data in it.

    Raises:
        OSError: The folder cannot be made.
    """
    path.mkdir(parents=True, exist_ok=True)
    _take_away(path, 0o022)
    return path


def _take_away(path: Path, bits: int) -> None:
    mode = path.stat().st_mode & 0o7777
    if mode & bits:
        with contextlib.suppress(PermissionError):  # it belongs to another account, which decides
            path.chmod(mode & ~bits)
