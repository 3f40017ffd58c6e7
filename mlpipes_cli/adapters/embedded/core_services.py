"""Start the embedded core services, PostgreSQL and MLflow's server, in parallel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from mlpipes_cli.adapters.embedded import mlflow_migration
from mlpipes_cli.adapters.embedded.database_server import DatabaseServer, WrongPassword
from mlpipes_cli.adapters.embedded.layout import StackLayout
from mlpipes_cli.adapters.mlflow import basic_auth
from mlpipes_cli.adapters.processes import ports
from mlpipes_cli.adapters.processes.daemon import marked_as
from mlpipes_cli.adapters.processes.driver import ProcessDriver, ProcessService, Program
from mlpipes_cli.adapters.processes.json_files import unwritable
from mlpipes_cli.adapters.processes.stack_lock import stack_lock
from mlpipes_cli.adapters.reconcile.driver import Progress, TryAgain
from mlpipes_cli.adapters.reconcile.reconciler import Reconciler
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports import Reporter
from mlpipes_cli.services import catalog
from mlpipes_cli.services.catalog import DATABASE, MLFLOW


@contextmanager
def core_services(parts: StackLayout, reporter: Reporter, title: str) -> Iterator[CoreServices]:
    """Lock a stack and yield its core services; ``title`` says on the terminal what is done."""
    with (
        stack_lock(parts.project, reporter),
        ports.PortReservations() as held,
        reporter.task(title) as task,
    ):
        progress, files = Progress(reporter, task.note), parts.files
        yield CoreServices(parts.project, progress, held, files, files.running(), parts=parts)


@dataclass(kw_only=True)
class CoreServices(ProcessDriver):
    """Reconciles the core services.

    Attributes:
        parts: The stack's services and file locations.
        server: The PostgreSQL server.
        database: PostgreSQL as a service.
        tracking: MLflow's server as a service.
    """

    parts: StackLayout
    server: DatabaseServer = field(init=False)
    database: ProcessService = field(init=False)
    tracking: ProcessService = field(init=False)

    def __post_init__(self) -> None:
        self.server = self.parts.database()
        self.server.warn = self.progress.reporter.warn
        self.database = self._service(DATABASE, self.server)
        self.tracking = self._service(MLFLOW, marked_as(self.project, MLFLOW))
        self.tracking.needs, self.tracking.eager = frozenset({DATABASE}), True

    def _service(self, name: str, program: Program) -> ProcessService:
        known = catalog.get(name)
        return ProcessService(
            name=name,
            timeout=known.timeout,
            program=program,
            fixed=self.parts.wanted_port(name),
            preference=known.ports[0].default(),
        )

    # -- public operations

    def bring(self) -> None:
        """Start PostgreSQL and MLflow, or keep them if they run as configured.

        MLflow starts at once: it loads meanwhile, and tries until the database is there.

        Raises:
            MlpipesError: A service does not start.
        """
        self.handle_move()
        self.database.finished = False
        Reconciler(self, (self.database, self.tracking), self.progress).run()

    def restart(self, name: str) -> None:
        """Stop one core service, then make sure that both run: MLflow reconnects to the database by itself.

        Raises:
            MlpipesError: A service does not start.
        """
        self.progress.note(f"ending {name}")
        self.handle_move()
        self.parts.end(name, self.running.pop(name, None))
        self.write()
        self.bring()

    def resume(self, name: str) -> None:
        """Start one core service and its dependencies: MLflow needs the database.

        Raises:
            MlpipesError: A service does not start.
        """
        if name == MLFLOW:
            self.bring()
            return
        self.handle_move()
        Reconciler(self, (self.database,), self.progress).run()

    # -- what differs from other processes

    def observe(self, service: ProcessService) -> None:
        if service is self.tracking and self.database.port:
            if self.database.stage == "absent" and not self.server.folder.exists():
                self.end(MLFLOW, service.program)  # its data is gone
            service.program = self.parts.mlflow(self.database.port)
        super().observe(service)
        if service is self.database and service.port is None:
            service.port = self.choose(service)  # MLflow's settings name it

    def start(self, service: ProcessService) -> None:
        if service is self.tracking and self.database.port:
            self._make_folders(self.database.port)
        super().start(service)

    def answers(self, service: ProcessService) -> bool:
        try:
            return super().answers(service)
        except WrongPassword:
            self.progress.reporter.info(
                "the database's password differs from .env; it is set to the one in .env"
            )
            self.server.reset_password()
            self.forget(service)
            raise TryAgain(
                MlpipesError("postgres rejects the password in .env", f"see `mlpipes logs {DATABASE}`")
            ) from None

    def undo(self, service: ProcessService) -> None:
        if service is self.tracking or service.child:  # a server that recovers is not stopped
            super().undo(service)

    def finish(self, service: ProcessService) -> None:
        """Upgrade tables of an older MLflow, and set the administrator's password, once the database runs.

        Raises:
            MlpipesError: The tables are of a newer MLflow, or the upgrade failed.
        """
        if service.port and service is self.database:
            self._upgrade_tables(service.port)
            self._update_login(service.port)

    def _upgrade_tables(self, port: int) -> None:
        if not mlflow_migration.pending(self.server.mlflow_revision(port)):
            return
        self.tracking.program.end(self.tracking.running)
        self.forget(self.tracking)
        self.progress.note("upgrading MLflow's tables")
        mlflow_migration.migrate(self.parts.tracking(port), self.parts.temporary, self.parts.log(MLFLOW))
        self.progress.changes.append("mlflow: its tables were upgraded to this release's version")

    def _update_login(self, port: int) -> None:
        if not self.parts.auth:
            return
        url = self.parts.tracking(port).replace("+psycopg2", "")
        if basic_auth.sync_password(url, self.parts.secrets()[basic_auth.PASSWORD]):
            self.progress.reporter.info(
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
