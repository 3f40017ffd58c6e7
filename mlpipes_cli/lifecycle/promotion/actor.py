"""Determines who promotes, for the history."""

from __future__ import annotations

import getpass
import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path


def user(environ: Mapping[str, str] = os.environ) -> str:
    """Return ``$MLPIPES_USER``, else the account and machine as ``user@host``."""
    if named := environ.get("MLPIPES_USER", "").strip():
        return named
    try:
        name = getpass.getuser()
    except (OSError, KeyError):  # an account without a name, as in some containers
        name = f"uid{os.getuid()}"
    return f"{name}@{platform.node() or 'unknown'}"


def git_user(folder: Path) -> str:
    """Return ``Name <mail>`` as git would sign in that folder; empty without git or a name."""
    name, mail = _git(folder, "user.name"), _git(folder, "user.email")
    return f"{name} <{mail}>" if name and mail else name or mail


def _git(folder: Path, key: str) -> str:
    try:
        done = subprocess.run(
            ["git", "config", "--get", key],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
