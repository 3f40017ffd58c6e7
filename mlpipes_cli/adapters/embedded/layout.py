"""Describe the services of an embedded stack and the locations of their files."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from mlpipes_cli.adapters.embedded import cluster, mlflow_server
from mlpipes_cli.adapters.embedded.database_server import DatabaseServer
from mlpipes_cli.adapters.mlflow import basic_auth
from mlpipes_cli.adapters.postgres.roles import READER, READER_SECRET
from mlpipes_cli.adapters.processes import log_files, ports
from mlpipes_cli.adapters.processes.daemon import Daemon, marked_as
from mlpipes_cli.adapters.processes.state import RunningProcess, StateFiles
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.local_files import env_file
from mlpipes_cli.ports import Endpoints
from mlpipes_cli.ports.stack import API_URL, DATABASE_URL, TRACKING_URI
from mlpipes_cli.project import ProjectFolder
from mlpipes_cli.services import catalog
from mlpipes_cli.services.catalog import DATABASE, MLFLOW
from mlpipes_cli.services.mlflow import SEARCH
from mlpipes_cli.services.probes import HttpProbe

SERVICES = tuple(
    definition
    for definition in catalog.built_in()
    if "embedded" in definition.runtimes and not definition.optional
)
CORE = tuple(service.name for service in SERVICES)
_CLIENT_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
    "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "false",
}


@dataclass(frozen=True)
class StackLayout:
    """Builds the services of one project.

    Attributes:
        project: The project of the stack.
        auth: Whether MLflow requires a user name and a password.
    """

    project: ProjectFolder
    auth: bool = False

    @property
    def files(self) -> StateFiles:
        """The state files of the stack."""
        return StateFiles(self.project.state)

    @property
    def temporary(self) -> Path:
        """The folder of MLflow's temporary files."""
        return self.project.state / "tmp"

    @property
    def artifacts(self) -> Path:
        """The folder of MLflow's artifacts."""
        return self.project.state / "artifacts"

    def log(self, service: str) -> Path:
        """Return a service's log file."""
        return log_files.path(self.project, service)

    def secrets(self) -> Mapping[str, str]:
        """Return the required passwords from ``.env``, with empty strings for missing ones.

        Raises:
            MlpipesError: ``.env`` cannot be read.
        """
        values = env_file.read(self.project.env_file)
        return {name: values.get(name, "") for name in catalog.secrets(SERVICES, auth=self.auth)}

    def database(self) -> DatabaseServer:
        """Return the PostgreSQL server of the stack."""
        folder = self.project.state / DATABASE
        return DatabaseServer(self.project.root, folder, self.log(DATABASE), self.secrets())

    def mlflow(self, database_port: int) -> Daemon:
        """Return MLflow's server, which uses the PostgreSQL at ``database_port``."""
        plain = mlflow_server.describe(
            self.project.root, self.log(MLFLOW), self.artifacts, self.temporary, self.tracking(database_port)
        )
        return mlflow_server.guarded(plain, self.login_file, self.secrets()) if self.auth else plain

    def tracking(self, database_port: int) -> str:
        """Return the address of MLflow's own database, with the owner's credentials."""
        password = quote(self.secrets()["MLFLOW_DB_PASSWORD"], safe="")
        return f"postgresql+psycopg2://mlflow:{password}@{ports.HOST}:{database_port}/mlflow"

    @property
    def login_file(self) -> Path:
        """The configuration file of MLflow's basic authentication."""
        return self.project.state / "basic_auth.ini"

    @property
    def probe(self) -> HttpProbe:
        """The probe for MLflow's readiness, with and without authentication."""
        return basic_auth.known(SEARCH, env_file.read(self.project.env_file))

    def versions(self) -> Mapping[str, str]:
        """Return the versions of the services that store data."""
        return {DATABASE: cluster.version(), MLFLOW: importlib.metadata.version("mlflow")}

    def wanted_port(self, service: str) -> int | None:
        """Return the fixed port of a core service from the settings, or None for ``auto``."""
        return self.project.config.wanted_port(catalog.get(service).ports[0])

    def clients(self, database_port: int, mlflow_port: int, api_url: str | None = None) -> Endpoints:
        """Return the addresses and credentials with which clients connect to the services.

        Raises:
            MlpipesError: ``.env`` lacks ``MLPIPES_DB_PASSWORD``.
        """
        if not self.secrets()["MLPIPES_DB_PASSWORD"]:
            path = self.project.shown(self.project.env_file)
            raise MlpipesError(f"{path}: MLPIPES_DB_PASSWORD is missing", "`mlpipes up` sets a new one")
        database = catalog.get(DATABASE).exported(ports.HOST, database_port, self.secrets())
        tracking = catalog.get(MLFLOW).exported(ports.HOST, mlflow_port, self.secrets())
        reader = quote(self.secrets()[READER_SECRET], safe="")
        login = basic_auth.variables(self.secrets()["MLFLOW_ADMIN_PASSWORD"]) if self.auth else {}
        api = {API_URL: api_url} if api_url else {}
        return Endpoints(
            tracking_uri=tracking[TRACKING_URI],
            database_url=database[DATABASE_URL],
            extra=_CLIENT_SETTINGS | login | api,
            reader_url=f"postgresql://{READER}:{reader}@{ports.HOST}:{database_port}/mlpipes"
            if reader
            else None,
        )

    def end(self, service: str, running: RunningProcess | None) -> int:
        """Stop all processes of a service; return their number.

        Raises:
            MlpipesError: A process cannot be stopped.
        """
        return self.database().end() if service == DATABASE else marked_as(self.project, service).end(running)
