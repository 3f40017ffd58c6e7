"""Start the embedded core services, PostgreSQL and MLflow's server, in parallel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from mlpipes_cli.adapters.embedded import mlflow_migration
from mlpipes_cli.adapters.embedded.database_server import DatabaseServer, WrongPassword
from mlpipes_cli.adapters.embedded.layout import CORE, StackLayout
from mlpipes_cli.adapters.mlflow import basic_auth
from mlpipes_cli.adapters.processes import log_files, ports
from mlpipes_cli.adapters.processes.driver import (
    ATTEMPTS,
    Child,
    ProcessReconciler,
    RetryStart,
    stack_lock,
    with_retries,
)
from mlpipes_cli.adapters.processes.json_files import unwritable
from mlpipes_cli.adapters.processes.state import RunningProcess
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports import Reporter
from mlpipes_cli.services import catalog
from mlpipes_cli.services.catalog import DATABASE, MLFLOW


@contextmanager
def work(parts: StackLayout, reporter: Reporter) -> Iterator[CoreServices]:
    """Lock the stack and yield its core services; on an error, stop services that do not answer yet."""
    with stack_lock(parts.project, reporter), ports.PortReservations() as held:
        core = CoreServices(parts.project, reporter, held, parts.files, parts.files.running(), parts=parts)
        try:
            yield core
        except BaseException:
            core.undo()
            raise


@dataclass(kw_only=True)
class CoreServices(ProcessReconciler):
    """Reconciles the core services and added processes.

    Attributes:
        parts: The stack's services and file locations.
    """

    parts: StackLayout

    def wanted_port(self, name: str) -> int | None:
        return self.parts.wanted_port(name) if name in CORE else super().wanted_port(name)

    def end_all(self, name: str, running: RunningProcess | None) -> int:
        return self.parts.end(name, running)

    def bring(self) -> None:
        """Start PostgreSQL and MLflow, or keep them if they run as configured.

        Raises:
            MlpipesError: A service does not start.
        """
        self.settle_move()
        with_retries(self._both)

    def restart(self, name: str) -> None:
        """Stop one core service, then make sure that both run: MLflow reconnects to the database by itself.

        Raises:
            MlpipesError: A service does not start.
        """
        self.note(f"ending {name}")
        self.settle_move()
        self.parts.end(name, self.running.pop(name, None))
        self.write()
        with_retries(self._both)

    def resume(self, name: str) -> None:
        """Start one core service and its dependencies: MLflow needs the database.

        Raises:
            MlpipesError: A service does not start.
        """
        self.settle_move()
        with_retries(self._both if name == MLFLOW else self._database_alone)

    def _database_alone(self) -> None:
        server = self.parts.database()
        server.warn = self.reporter.warn
        found = self._healthy_database(server)
        self._await_database(server, found, found.port if found else self._choose_core(DATABASE))

    def _both(self) -> None:
        """Both at once: MLflow loads meanwhile and tries until the database is there."""
        server = self.parts.database()
        server.warn = self.reporter.warn
        found = self._healthy_database(server)
        if found is None and not server.folder.exists():
            self.end(MLFLOW)  # its data is gone
        port = found.port if found else self._choose_core(DATABASE)
        daemon = self.parts.mlflow(port)
        tracking = self.healthy(daemon, self.parts.wanted_port(MLFLOW))
        tracking_child: Child = None
        if tracking is None:
            self._make_folders(port)
            tracking, tracking_child = self.spawn(daemon, self._choose_core(MLFLOW))
        self._await_database(server, found, port)
        self._settle_tables(server, port)
        self._settle_login(port)
        self.wait(daemon, tracking, tracking_child)

    def _settle_tables(self, server: DatabaseServer, port: int) -> None:
        """Upgrade tables of an older MLflow to the installed version's schema.

        Raises:
            RetryStart: The tables were upgraded, and MLflow has to be started again.
            MlpipesError: The tables are of a newer MLflow, or the upgrade failed.
        """
        if not mlflow_migration.pending(server.mlflow_revision(port)):
            return
        started = self.running.pop(MLFLOW, None)
        self.end_all(MLFLOW, started)
        if started:
            self.held.release(started.port)
        self.unready.pop(MLFLOW, None)
        self.write()
        self.note("upgrading MLflow's tables")
        mlflow_migration.migrate(self.parts.tracking(port), self.parts.temporary, self.parts.log(MLFLOW))
        self.changes.append("mlflow: its tables were upgraded to this release's version")
        raise RetryStart("mlflow must be restarted after the upgrade of its tables")

    def _settle_login(self, port: int) -> None:
        if not self.parts.auth:
            return
        url = self.parts.tracking(port).replace("+psycopg2", "")
        if basic_auth.sync_password(url, self.parts.secrets()[basic_auth.PASSWORD]):
            self.reporter.info(
                "the password of MLflow's administrator differed from .env; it is now the one in .env"
            )

    def _make_folders(self, database_port: int) -> None:
        try:
            for folder in (self.parts.artifacts, self.parts.temporary):
                folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise unwritable(self.parts.project.state, error) from None
        if self.parts.auth:
            basic_auth.write_settings(self.parts.login_file, self.parts.tracking(database_port))

    def _healthy_database(self, server: DatabaseServer) -> RunningProcess | None:
        """Return the server if it runs as configured; otherwise stop its remaining processes."""
        found = server.find()
        wanted = self.parts.wanted_port(DATABASE)
        if found and found.fingerprint == server.fingerprint(found.port) and wanted in (None, found.port):
            self.running[DATABASE] = found
            return found
        self.end(DATABASE)
        return None

    def _await_database(self, server: DatabaseServer, found: RunningProcess | None, port: int) -> None:
        if found and server.answers(port) and server.readable(port):
            return
        self.note("starting postgres")
        child: Child = None
        for _ in range(ATTEMPTS):
            if found is None:
                before = log_files.size(server.log)
                found, child = server.start(port)
                self.started(DATABASE, found, before)
            try:
                if server.wait(found, child):
                    self.ready(DATABASE)
                    return
                self.gone(DATABASE, found, adopted=child is None)
            except WrongPassword:
                self.reporter.info("the database's password differs from .env; it is set to the one in .env")
                server.reset_password()
            found = None
        raise MlpipesError("postgres rejects the password in .env", f"see `mlpipes logs {DATABASE}`")

    def _choose_core(self, service: str) -> int:
        return self.choose(service, self.wanted_port(service), catalog.get(service).ports[0].default())
