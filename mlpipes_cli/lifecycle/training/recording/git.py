"""Reads the state of the code that a run was made from."""

from __future__ import annotations

import subprocess
from pathlib import Path


def commit(folder: Path) -> str | None:
    """Return the checked-out commit, with ``-dirty`` if files differ from it; None without git."""
    head = _git(folder, "rev-parse", "HEAD")
    if not head:
        return None
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return f"{head}-dirty" if changes else head


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
