"""Start, query, provision, repair and stop a stack's PostgreSQL server."""

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
from mlpipes_cli.services import catalog

if TYPE_CHECKING:
    import psutil
    from psycopg2.extensions import connection

_TIMEOUT = catalog.timeout(catalog.DATABASE)
_IPC_RMID = 0


@dataclass
class DatabaseServer:
    """Controls the PostgreSQL server of one project.

    Attributes:
        root: The project's folder.
        folder: The database folder.
        log: The server's log file.
        secrets: The passwords by their names in ``.env``.
        warn: Called with a message for each repair that the user should know of.
    """

    root: Path
    folder: Path
    log: Path
    secrets: Mapping[str, str] = field(repr=False)
    warn: Callable[[str], None] = field(default=lambda text: None, repr=False)
    _started: bool = field(default=False, repr=False)
    _problem: str = field(default="", repr=False)

    # -- finding

    def members(self) -> list[psutil.Process]:
        """Return all processes of the server, including those whose parent has exited."""
        name = cluster.token(self.root)
        return [found for found in process.everyone() if _is_of(name, process.command_line(found))]

    def find(self, written: RunningProcess | None = None) -> RunningProcess | None:
        """Return the main process, if it works on the current database folder; its lock file names it."""
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
        """Return the fingerprint that :meth:`find` reports for a server that runs as configured."""
        return self._print(DatabaseCluster(self.root, self.folder, Account()).command(port))

    def _written_pid(self) -> int | None:
        """Return the pid in the folder's lock file."""
        try:
            return int((self.folder / "postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return None

    # -- queries

    def connect(self, port: int, user: str, database: str, timeout: int = 3) -> connection:
        """Open a connection as ``user`` to ``database``.

        Raises:
            psycopg2.OperationalError: The connection fails.
        """
        import psycopg2

        return psycopg2.connect(
            host="127.0.0.1", port=port, user=user, password=self.secrets[SECRETS[user]], dbname=database,
            connect_timeout=timeout, application_name="mlpipes", sslmode="disable", gssencmode="disable",
        )  # fmt: skip

    def works(self, port: int) -> bool:
        """Return whether the server answers a query and has the roles and databases that clients need."""
        return self.lacking(port) == ()

    def lacking(self, port: int) -> tuple[str, ...] | None:
        """Return the schemas that the database should have and does not; None if it does not answer."""
        return roles.lacking(lambda user, database: self.connect(port, user, database))

    def readable(self, port: int) -> bool:
        """Return whether users' read-only queries can run; if not, ``provision`` grants the access."""
        return roles.readable(lambda user, database: self.connect(port, user, database))

    def mlflow_revision(self, port: int) -> str | None:
        """Return the schema version of MLflow's tables, or None if there are none."""
        with contextlib.closing(self.connect(port, "mlflow", "mlflow")) as link, link.cursor() as cursor:
            cursor.execute("select to_regclass('public.alembic_version') is not null")
            if cursor.fetchone() != (True,):
                return None
            cursor.execute("select version_num from public.alembic_version")
            row = cursor.fetchone()
            return str(row[0]) if row else None

    # -- starting

    def keeps(self, found: RunningProcess) -> bool:
        """Return True: a server may recover for long, and stopping it would make it begin anew."""
        return True

    def begin(self, port: int) -> int:
        """Return the log's size; the server itself writes times into its log."""
        return log_files.size(self.log)

    def spawn(self, port: int) -> tuple[RunningProcess, subprocess.Popen[bytes]]:
        """Create the folder if there is none, and start the server on it, without waiting for it to answer.

        Raises:
            MlpipesError: The folder cannot be created, or another server works on it.
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
        self._started = True
        identity = process.identify(child.pid) or ProcessIdentity(child.pid, time.time())
        return RunningProcess(identity, port, self.fingerprint(port)), child

    def _drop_stale_lock(self) -> None:
        """Remove a lock file whose pid is in use by a process that is not a server of this folder.

        PostgreSQL treats any process with that pid as a running server: also one that got the pid after
        a reboot, and its own predecessor that has exited and is not reaped yet.
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

    def answers(self, main: RunningProcess) -> bool:
        """Return whether the server accepts connections and is provisioned; provision it where it is not.

        Raises:
            WrongPassword: The server rejects the superuser's password.
        """
        import psycopg2

        if not self._started and self.works(main.port) and self.readable(main.port):
            return True
        try:
            if self._listens(main):
                self.provision(main.port)
                return True
        except psycopg2.OperationalError as error:
            self._problem = str(error)
            if "authentication failed" in self._problem:
                raise WrongPassword from None
        return False

    def silence(self) -> str:
        """Return what to report if the server did not answer in time, after its name."""
        return f"accepted no connection within {_TIMEOUT:.0f} s: {self._problem}"

    def _listens(self, running: RunningProcess) -> bool:
        """Return whether the lock file says ready: until then another server may answer on the port."""
        try:
            lines = (self.folder / "postmaster.pid").read_text().split("\n")
            return lines[0] == str(running.identity.pid) and lines[7].strip() == "ready"
        except (OSError, IndexError):
            return False

    def provision(self, port: int) -> None:
        """Create the missing roles, databases and schemas, and set the passwords.

        Raises:
            psycopg2.OperationalError: The server cannot be reached.
        """
        roles.provision(lambda user, database: self.connect(port, user, database), self.secrets)

    def reset_password(self) -> None:
        """Stop the server and set the superuser's password to the one in ``.env``.

        Raises:
            MlpipesError: The server cannot be stopped, or the password cannot be set.
        """
        self.end()
        account = find_account(cluster.program("postgres"), self.folder.parent)
        DatabaseCluster(self.root, self.folder, account).reset_password(self.secrets["POSTGRES_PASSWORD"])

    # -- stopping

    def end(self, main: RunningProcess | None = None) -> int:
        """Shut the server down, or kill it if it does not stop; return the number of processes.

        Its processes are found by their command lines, whatever ``main`` says.

        Raises:
            MlpipesError: A process cannot be stopped.
        """
        current = self.find()
        count = len(self.members())
        lead = current.identity.process() if current else None
        if lead:
            count = max(count, 1)
            process.end(
                lambda: [lead] if process.running(lead.pid) else [], patience=30.0, polite=signal.SIGINT
            )
        process.end(self.members, patience=2.0, polite=signal.SIGQUIT)
        self._free_shared_memory()
        return count

    def _free_shared_memory(self) -> None:
        """Remove the System V shared memory segment that a killed server leaves (on Linux only)."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            key, number = (self.folder / "postmaster.pid").read_text().split("\n")[6].split()
            for row in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]:
                cells = row.split()
                if (cells[0], cells[1], cells[6]) == (key, number, "0"):  # no process is attached
                    ctypes.CDLL(None).shmctl(int(number), _IPC_RMID, None)


class WrongPassword(Exception):
    """The password of the server's superuser differs from ``.env``."""


def _is_of(name: str, line: list[str]) -> bool:
    """Return whether a command line is that of a cluster's server, or the title of one of its children."""
    return f"cluster_name={name}" in line or any(part.startswith(f"postgres: {name}: ") for part in line[:1])


def _serves_elsewhere(server: psutil.Process, folder: Path) -> bool:
    """Return whether a server certainly works on a folder other than ``folder``."""
    line = process.command_line(server)
    at = line.index("-D") + 1 if "-D" in line else len(line)
    data_folder = Path(line[at]) if at < len(line) else None
    if data_folder is None:
        return False
    try:
        return not data_folder.samefile(folder) and (data_folder / "postmaster.pid").exists()
    except OSError:
        return False
