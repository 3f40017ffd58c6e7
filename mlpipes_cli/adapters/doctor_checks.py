"""The checks of ``doctor`` that apply to every runtime; they change nothing."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from pwd import struct_passwd

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.local_files import env_file
from mlpipes_cli.ports import Check, ServiceStatus
from mlpipes_cli.project import ProjectFolder

GIGABYTE = 1024**3
_DISK_FAULT, _DISK_WARNING = 0.3, 2.0
_MEMORY_WARNING = 1.0
_SERVICES_AGAIN = 60000  # user ids from here on belong to nobody and to containers
_NO_SHELLS = ("nologin", "false", "sync", "shutdown", "halt")


def tried(name: str, check: Callable[[], Check]) -> Check:
    """Return the check's result; a check that raises is a fault with its reason."""
    try:
        return check()
    except MlpipesError as error:
        return Check(name, "fault", error.reason, error.hint)
    except OSError as error:
        what = f"{error.strerror}: {error.filename or ''}".rstrip(": ")
        return Check(name, "fault", what, "check the permissions and the free disk space")


def common(project: ProjectFolder, secrets: Sequence[str]) -> list[Check]:
    """Check Python, folder, disk, secrets and git of a project.

    Args:
        project: The project.
        secrets: The names that ``.env`` has to hold.
    """
    return [
        tried("python", python),
        tried("folder", lambda: folder(project)),
        tried("disk space", lambda: disk(project)),
        tried("secrets", lambda: private_secrets(project, secrets)),
        tried("git", lambda: git(project)),
    ]


def python() -> Check:
    """Check whether mlpipes supports this version of Python."""
    found = ".".join(map(str, sys.version_info[:3]))
    if (3, 11) <= sys.version_info[:2] < (3, 14):
        return Check("python", "ok", found)
    return Check("python", "fault", f"{found} is not supported", "use Python 3.11, 3.12 or 3.13")


def home(project: ProjectFolder) -> Path:
    """Return the state folder if it exists, else the project's root."""
    return project.state if project.state.is_dir() else project.root


def folder(project: ProjectFolder) -> Check:
    """Check whether the project's folder is writable."""
    with tempfile.NamedTemporaryFile(dir=home(project), prefix=".doctor-"):
        return Check("folder", "ok", f"{project.root} is writable")


def disk(project: ProjectFolder) -> Check:
    """Check whether the project's disk has enough free space."""
    free = shutil.disk_usage(home(project)).free / GIGABYTE
    found = f"{free:.1f} GB free"
    if free < _DISK_FAULT:
        return Check("disk space", "fault", found, "free some space: a full disk stops the database")
    if free < _DISK_WARNING:
        return Check("disk space", "warning", found, "free some space before training large models")
    return Check("disk space", "ok", found)


def memory() -> Check:
    """Check whether this machine has enough free memory."""
    import psutil

    free = psutil.virtual_memory().available / GIGABYTE
    if free < _MEMORY_WARNING:
        return Check(
            "memory",
            "warning",
            f"{free:.1f} GB available",
            "the stack needs about 1 GB: close other programs",
        )
    return Check("memory", "ok", f"{free:.1f} GB available")


def private_secrets(project: ProjectFolder, names: Sequence[str]) -> Check:
    """Check whether ``.env`` is complete and readable by its owner alone."""
    path = project.env_file
    if not path.exists():
        return Check("secrets", "warning", ".env does not exist yet", "`mlpipes up` creates it")
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        return Check(
            "secrets", "fault", f".env can be read by others (mode {mode:04o})", "run `chmod 600 .env`"
        )
    values = env_file.read(path)
    missing = [name for name in names if not values.get(name)]
    if missing:
        return Check(
            "secrets",
            "warning",
            f".env lacks {', '.join(missing)}",
            "`mlpipes up` adds the missing variables",
        )
    return Check("secrets", "ok", ".env is complete and private")


def accounts(auth: bool, known: Iterable[struct_passwd] | None = None) -> Check:
    """Check whether other people have accounts here, who could write to an MLflow without authentication.

    Args:
        auth: Whether MLflow asks for a name and a password.
        known: The machine's accounts; None reads them from the system.
    """
    first = 500 if sys.platform == "darwin" else 1000  # lower numbers belong to services, the highest too
    others = sorted(
        account.pw_name
        for account in (pwd.getpwall() if known is None else known)
        if first <= account.pw_uid < _SERVICES_AGAIN
        and account.pw_uid != os.getuid()
        and Path(account.pw_shell).name not in _NO_SHELLS
    )
    if auth:
        return Check("other accounts", "ok", "MLflow requires a user name and a password")
    if not others:
        return Check("other accounts", "ok", "there are no other accounts on this machine")
    shown = ", ".join(others[:3]) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
    return Check(
        "other accounts",
        "warning",
        f"{shown} can write to MLflow, which requires no password",
        "run `mlpipes up --auth`",
    )


def git(project: ProjectFolder) -> Check:
    """Check whether git would ever commit the secrets."""
    if shutil.which("git") is None:
        return Check("git", "ok", "not installed")
    command = ["git", "-C", str(project.root), "check-ignore", "-q", ".env"]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode == 1:
        return Check("git", "fault", "Git does not ignore .env", "add the line `.env` to .gitignore")
    return Check("git", "ok", "Git ignores .env" if done.returncode == 0 else "not a Git repository")


def service(row: ServiceStatus) -> Check:
    """Return the check of a process of this project."""
    if row.state == "running":
        return Check(row.name, "ok", f"answers on port {row.port}")
    if row.state == "failed":
        return Check(
            row.name,
            "fault",
            row.detail,
            f"`mlpipes up` repairs it; `mlpipes logs {row.name}` shows the cause",
        )
    fix = "`mlpipes up` starts it" if row.state == "stopped" else "wait, or see `mlpipes logs`"
    return Check(row.name, "warning", row.state, fix)
