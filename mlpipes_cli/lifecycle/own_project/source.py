"""Where the rows of a new project come from, and where they stay."""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass
from pathlib import Path

from mlpipes_cli.errors import UsageError
from mlpipes_cli.suggest import did_you_mean

MOST_COPIED = 100_000_000  # bytes of a file; a larger one stays where it is


@dataclass(frozen=True)
class OwnSource:
    """Where the rows come from.

    Attributes:
        read: As it is given, from the current folder.
        kept: As ``dataset.yaml`` names it.
        copied: The file that is copied into the project, if it is.
    """

    read: str
    kept: str
    copied: Path | None = None


def located(data: str, base: Path, directory: Path) -> OwnSource:
    """Decide whether a source is copied into the project, and how it is named there.

    Raises:
        UsageError: There is no such file.
    """
    data = str(Path(data).expanduser()) if data.startswith("~") else data
    path = Path(os.path.normpath(base.absolute() / data))
    if not path.exists():
        if ":" in data:
            return OwnSource(data, data)
        if glob.has_magic(data):
            return OwnSource(data, _named(path, directory))
        near = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        raise UsageError(
            f"--data: {data}: no such file{did_you_mean(path.name, near)}", "give a table's file"
        )
    inside = path.is_relative_to(directory)
    if inside or not path.is_file() or path.stat().st_size > MOST_COPIED:
        return OwnSource(data, _named(path, directory))
    return OwnSource(data, f"data/{path.name}", path)


def _named(path: Path, directory: Path) -> str:
    """Return a path for ``source:``: from the project's folder if it is inside, else an absolute one."""
    return path.relative_to(directory).as_posix() if path.is_relative_to(directory) else str(path)
