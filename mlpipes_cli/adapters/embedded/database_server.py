"""The PostgreSQL of a stack: start it, ask it, set it up, repair it, stop it."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mlpipes_cli.adapters.embedded import cluster
from mlpipes_cli.adapters.embedded.account import Account, find_account
from mlpipes_cli.adapters.embedded.cluster import DatabaseCluster
from mlpipes_cli.adapters.postgres import roles
from mlpipes_cli.adapters.postgres.roles import SECRETS
from mlpipes_cli.adapters.processes import log_files, process
from mlpipes_cli.adapters.processes.process import ProcessIdentity
from mlpipes_cli.adapters.processes.state import RunningProcess
from mlpipes_cli.errors import MlpipesError

if TYPE_CHECKING:
    import psutil
    from psycopg2.extensions import connection

NAME = "postgres"
_TIMEOUT = 60.0
_IPC_RMID = 0


@dataclass
class DatabaseServer:
    """One project's server.

    Attributes:
        root: The project's folder.
        folder: The database folder.
        log: Its log file.
        secrets: The passwords by their names in ``.env``.
        warn: Told of repairs that a person should know of.
    """

    root: Path
    folder: Path
    log: Path
    secrets: Mapping[str, str] = field(repr=False)
    warn: Callable[[str], None] = field(default=lambda text: None, repr=False)

    # -- finding

    def members(self) -> list[psutil.Process]:
        """All its processes, those that lost their parent too."""
        name = cluster.token(self.root)
        return [one for one in process.everyone() if _is_of(name, process.command_line(one))]

    def find(self) -> RunningProcess | None:
        """The main process, if it works on the folder that is there now."""
        pid = self._written_pid()
        found = process.running(pid) if pid else None
        line = process.command_line(found) if found else []
        if pid is None or f"cluster_name={cluster.token(self.root)}" not in line:
            return None
        port = next((part.removeprefix("port=") for part in line if part.startswith("port=")), "")
        identity = process.identify(pid)
        return RunningProcess(identity, int(port), self._print(line)) if identity and port.isdigit() else None

    def _print(self, line: list[str]) -> str:
        return hashlib.sha256("\n".join(line).encode()).hexdigest()[:32]

    def fingerprint(self, port: int) -> str:
        """What :meth:`find` reports of a server that is as it should be."""
        return self._print(DatabaseCluster(self.root, self.folder, Account()).command(port))

    def _written_pid(self) -> int | None:
        """The pid in the folder's lock file."""
        try:
            return int((self.folder / "postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return None

    # -- asking

    def connect(self, port: int, user: str, database: str, timeout: int = 3) -> connection:
        """A connection.

        Raises:
            psycopg2.OperationalError: There is none to be had.
        """
        import psycopg2

        return psycopg2.connect(
            host="127.0.0.1", port=port, user=user, password=self.secrets[SECRETS[user]], dbname=database,
            connect_timeout=timeout, application_name="mlpipes", sslmode="disable", gssencmode="disable",
        )  # fmt: skip

    def answers(self, port: int) -> bool:
        """Whether it answers a query and has what clients need."""
        return roles.complete(lambda user, database: self.connect(port, user, database))

    def readable(self, port: int) -> bool:
        """Whether users' queries can run in it; else ``provision`` makes it so."""
        return roles.readable(lambda user, database: self.connect(port, user, database))

    def mlflow_revision(self, port: int) -> str | None:
        """The version of MLflow's tables; None where there are none."""
        with contextlib.closing(self.connect(port, "mlflow", "mlflow")) as link, link.cursor() as cursor:
            cursor.execute("select to_regclass('public.alembic_version') is not null")
            if cursor.fetchone() != (True,):
                return None
            cursor.execute("select version_num from public.alembic_version")
            row = cursor.fetchone()
            return str(row[0]) if row else None

    # -- starting

    def start(self, port: int) -> tuple[RunningProcess, subprocess.Popen[bytes]]:
        """Make the folder if there is none, and start the server on it; it may not answer yet.

        Raises:
            MlpipesError: The folder cannot be made, or another server works on it.
        """
        home = DatabaseCluster(
            self.root, self.folder, find_account(cluster.program("postgres"), self.folder.parent)
        )
        if not home.exists:
            home.make(self.secrets["POSTGRES_PASSWORD"], self.warn)
        home.account.own(self.folder)
        self._drop_stale_lock()
        log_files.rotate(self.log)
        child = process.spawn(
            home.account.command(home.command(port)),
            environment=home.environment,
            folder=Path("/"),
            log=self.log,
        )
        identity = process.identify(child.pid) or ProcessIdentity(child.pid, time.time())
        return RunningProcess(identity, port, self.fingerprint(port)), child

    def _drop_stale_lock(self) -> None:
        """Remove a lock file whose number is taken, but not by a server that works on this folder.

        PostgreSQL takes any process of that number for a rival: one that got the number after a
        reboot, or its own predecessor that ended and that nobody has reaped yet.
        """
        import psutil

        pid = self._written_pid()
        if pid is None or not psutil.pid_exists(pid):
            return
        other = process.running(pid)
        if other and other.name() == "postgres" and not _serves_elsewhere(other, self.folder):
            raise MlpipesError(
                f"{self.folder} is in use by another PostgreSQL (pid {other.pid})",
                f"stop it with `kill -INT {other.pid}`, then `mlpipes up` again",
            )
        (self.folder / "postmaster.pid").unlink(missing_ok=True)

    def wait(self, running: RunningProcess, child: subprocess.Popen[bytes] | None) -> bool:
        """Wait until it takes connections, then set it up; False if it ended instead.

        Raises:
            MlpipesError: It takes none in time.
        """
        import psycopg2

        deadline = time.monotonic() + _TIMEOUT
        said = ""
        while time.monotonic() < deadline:
            try:
                if self._listens(running):
                    self.provision(running.port)
                    return True
            except psycopg2.OperationalError as error:
                said = str(error)
                if "authentication failed" in said:
                    raise WrongPassword from None
            if (child.poll() is not None) if child else (running.identity.process() is None):
                return False
            time.sleep(0.03)
        raise MlpipesError(
            f"postgres accepted no connection within {_TIMEOUT:.0f} s: {said}", f"see {self.log}"
        )

    def _listens(self, running: RunningProcess) -> bool:
        """Whether it got its port, as its lock file says; before, somebody else's server may answer there."""
        try:
            lines = (self.folder / "postmaster.pid").read_text().split("\n")
            return lines[0] == str(running.identity.pid) and lines[7].strip() == "ready"
        except (OSError, IndexError):
            return False

    def provision(self, port: int) -> None:
        """Make the roles, databases and schemas that are missing, and set the passwords.

        Raises:
            psycopg2.OperationalError: The server cannot be reached.
        """
        roles.provision(lambda user, database: self.connect(port, user, database), self.secrets)

    def reset_password(self) -> None:
        """Make the superuser's password that of ``.env`` again; the server is stopped for it.

        Raises:
            MlpipesError: It did not work.
        """
        self.end()
        account = find_account(cluster.program("postgres"), self.folder.parent)
        DatabaseCluster(self.root, self.folder, account).reset_password(self.secrets["POSTGRES_PASSWORD"])

    # -- stopping

    def end(self) -> int:
        """Stop it in order, or end it where it does not stop; returns how many processes there were.

        Raises:
            MlpipesError: A process cannot be ended.
        """
        main = self.find()
        count = len(self.members())
        lead = main.identity.process() if main else None
        if lead:
            count = max(count, 1)
            process.end(
                lambda: [lead] if process.running(lead.pid) else [], patience=30.0, polite=signal.SIGINT
            )
        process.end(self.members, patience=2.0, polite=signal.SIGQUIT)
        self._free_shared_memory()
        return count

    def _free_shared_memory(self) -> None:
        """Give back the few bytes that a server leaves in the system when it is killed (Linux lists them)."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            key, number = (self.folder / "postmaster.pid").read_text().split("\n")[6].split()
            for row in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]:
                cells = row.split()
                if (cells[0], cells[1], cells[6]) == (key, number, "0"):  # nobody is attached to it
                    ctypes.CDLL(None).shmctl(int(number), _IPC_RMID, None)


class WrongPassword(Exception):
    """The server's superuser has another password than ``.env``."""


def _is_of(name: str, line: list[str]) -> bool:
    """Whether a command line is that of a cluster's server, or the title of one of its children."""
    return f"cluster_name={name}" in line or any(part.startswith(f"postgres: {name}: ") for part in line[:1])


def _serves_elsewhere(other: psutil.Process, folder: Path) -> bool:
    """Whether a server certainly works on another folder than ours."""
    line = process.command_line(other)
    at = line.index("-D") + 1 if "-D" in line else len(line)
    place = Path(line[at]) if at < len(line) else None
    if place is None:
        return False
    try:
        return not place.samefile(folder) and (place / "postmaster.pid").exists()
    except OSError:
        return False
