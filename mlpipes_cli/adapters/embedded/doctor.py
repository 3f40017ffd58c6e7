"""Everything that could be wrong with a stack, looked at one by one; nothing is changed."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from mlpipes_cli.adapters.embedded import cluster
from mlpipes_cli.adapters.embedded.account import find_account
from mlpipes_cli.adapters.embedded.parts import MLFLOW, Parts
from mlpipes_cli.adapters.embedded.survey import survey
from mlpipes_cli.adapters.processes import ports, process
from mlpipes_cli.adapters.processes.services import LocalServices
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports import Check, ServiceStatus

_GIGABYTE = 1024**3
_DISK_FAULT, _DISK_WARNING = 0.3, 2.0
_MEMORY_WARNING = 1.0


def examine(parts: Parts, local: LocalServices) -> Sequence[Check]:
    """All checks; one that fails in itself is a fault with its reason."""
    simple: tuple[tuple[str, Callable[[Parts], Check]], ...] = (
        ("python", _python),
        ("folder", _folder),
        ("disk space", _disk),
        ("memory", _memory),
        ("file locks", _locks),
        ("secrets", _secrets),
        ("git", _git),
        ("postgres program", _program),
    )
    checks = [_tried(name, check, parts) for name, check in simple]
    rows = survey(parts)
    checks += [_port(parts, row) for row in rows]
    checks += [_service(row) for row in (*rows, *local.survey())]
    checks.append(_strays(parts, rows, local))
    return checks


def _tried(name: str, check: Callable[[Parts], Check], parts: Parts) -> Check:
    try:
        return check(parts)
    except MlpipesError as error:
        return Check(name, "fault", error.reason, error.hint)
    except OSError as error:
        return Check(
            name,
            "fault",
            f"{error.strerror}: {error.filename or ''}".rstrip(": "),
            "check permissions and disk",
        )


def _python(parts: Parts) -> Check:
    found = ".".join(map(str, sys.version_info[:3]))
    if (3, 11) <= sys.version_info[:2] < (3, 14):
        return Check("python", "ok", found)
    return Check("python", "fault", f"{found} is not supported", "use Python 3.11, 3.12 or 3.13")


def _home(parts: Parts) -> Path:
    return parts.project.state if parts.project.state.is_dir() else parts.project.root


def _folder(parts: Parts) -> Check:
    with tempfile.NamedTemporaryFile(dir=_home(parts), prefix=".doctor-"):
        return Check("folder", "ok", f"{parts.project.root} is writable")


def _disk(parts: Parts) -> Check:
    free = shutil.disk_usage(_home(parts)).free / _GIGABYTE
    found = f"{free:.1f} GB free"
    if free < _DISK_FAULT:
        return Check("disk space", "fault", found, "free some space: a full disk stops the database")
    if free < _DISK_WARNING:
        return Check("disk space", "warning", found, "free some space before training large models")
    return Check("disk space", "ok", found)


def _memory(parts: Parts) -> Check:
    import psutil

    free = psutil.virtual_memory().available / _GIGABYTE
    if free < _MEMORY_WARNING:
        return Check(
            "memory", "warning", f"{free:.1f} GB available", "the stack wants about 1 GB: end other programs"
        )
    return Check("memory", "ok", f"{free:.1f} GB available")


def _locks(parts: Parts) -> Check:
    with tempfile.NamedTemporaryFile(dir=_home(parts), prefix=".doctor-") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return Check(
                "file locks", "fault", f"refused ({error.strerror})", "put the project on a local disk"
            )
    return Check("file locks", "ok", "they work here")


def _secrets(parts: Parts) -> Check:
    path = parts.project.env_file
    if not path.exists():
        return Check("secrets", "warning", ".env is not there yet", "`mlpipes up` makes it")
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        return Check(
            "secrets", "fault", f".env can be read by others (mode {mode:04o})", "run `chmod 600 .env`"
        )
    missing = [name for name, value in parts.secrets().items() if not value]
    if missing:
        return Check(
            "secrets", "warning", f".env lacks {', '.join(missing)}", "`mlpipes up` adds what is missing"
        )
    return Check("secrets", "ok", ".env is complete and private")


def _git(parts: Parts) -> Check:
    """Whether git would ever take the secrets."""
    if shutil.which("git") is None:
        return Check("git", "ok", "not installed")
    command = ["git", "-C", str(parts.project.root), "check-ignore", "-q", ".env"]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode == 1:
        return Check("git", "fault", ".env is not ignored", "add the line `.env` to .gitignore")
    return Check("git", "ok", ".env is ignored" if done.returncode == 0 else "not a repository")


def _program(parts: Parts) -> Check:
    path = cluster.program("postgres")
    done = subprocess.run([str(path), "--version"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = " ".join(done.stderr.split())
        return Check(
            "postgres program", "fault", f"does not run: {said}", "install the library that it names"
        )
    account = find_account(path, _home(parts))
    how = f", as another account ({account.way})" if account.way else ""
    return Check("postgres program", "ok", f"{done.stdout.strip()}{how}")


def _port(parts: Parts, row: ServiceStatus) -> Check:
    name = f"{row.name} port"
    wanted = parts.wanted_port(row.name)
    remembered = parts.files.ports().get(row.name)
    port = wanted or remembered or ports.preferred(row.name)
    if row.port is not None:
        if wanted and wanted != row.port:
            return Check(name, "warning", f"{row.port}, but mlpipes.yaml says {wanted}", "run `mlpipes up`")
        return Check(name, "ok", f"{row.port}")
    if ports.is_free(port):
        return Check(name, "ok", f"{port} is free")
    who = ports.holder(port)
    if wanted:
        return Check(
            name,
            "fault",
            f"{port} is taken by {who}",
            "stop it, or set another port (or auto) in mlpipes.yaml",
        )
    return Check(name, "ok", f"{port} is taken by {who}; the next free one will be used")


def _service(row: ServiceStatus) -> Check:
    if row.state == "running":
        return Check(row.name, "ok", f"answers on port {row.port}")
    if row.state == "failed":
        return Check(
            row.name, "fault", row.detail, f"`mlpipes up` repairs it; `mlpipes logs {row.name}` says why"
        )
    fix = "`mlpipes up` starts it" if row.state == "stopped" else "wait, or look at `mlpipes logs`"
    return Check(row.name, "warning", row.state, fix)


def _strays(parts: Parts, rows: Sequence[ServiceStatus], local: LocalServices) -> Check:
    """Processes of services that have no main process any more, or that nobody wants."""
    lost = any(row.name == MLFLOW and row.pid is None for row in rows)
    left = [one.pid for one in process.marked(parts.project.root, MLFLOW)] if lost else []
    server = parts.database()
    left += [one.pid for one in server.members()] if server.find() is None else []
    left += local.strays()
    if left:
        pids = ", ".join(map(str, left))
        return Check(
            "stray processes", "fault", f"left over: pid {pids}", "`mlpipes up` or `mlpipes down` ends them"
        )
    return Check("stray processes", "ok", "none")
