"""Files of the cache: written atomically, measured, and checked for processes that run from them."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.local_files import atomic_files


@contextlib.contextmanager
def may_fail(folder: Path) -> Iterator[None]:
    """Turn errors of the file system into one line with a hint."""
    try:
        yield
    except OSError as error:
        where = error.filename or folder
        hint = "free disk space, or set MLPIPES_CACHE to a writable folder"
        raise MlpipesError(f"{where}: {error.strerror or error}", hint) from None


def read_json(path: Path) -> dict[str, Any] | None:
    """Return a JSON object, or None if there is no complete one."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file atomically."""
    atomic_files.write_text(path, json.dumps(content, indent=1))


def changed(path: Path) -> float:
    """Return when a file was last changed or touched, seconds since 1970; 0 if there is none."""
    with contextlib.suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def size_of(folder: Path) -> int:
    """Return the bytes of all files, each counted once."""
    seen: dict[tuple[int, int], int] = {}
    for path, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                about = os.lstat(os.path.join(path, name))  # noqa: PTH118 (a hundred thousand of them)
                seen[about.st_dev, about.st_ino] = about.st_blocks * 512
    return sum(seen.values())


def runs_from(folder: Path) -> bool:
    """Return whether any process runs with an environment's interpreter."""
    import psutil

    start = f"{folder}{os.sep}"
    for process in psutil.process_iter(["cmdline"]):
        if any(word.startswith(start) for word in (process.info["cmdline"] or [])[:1]):
            return True
    return False
