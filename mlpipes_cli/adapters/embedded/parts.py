"""What a project's stack consists of, and where each piece keeps its files."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from mlpipes_cli import envfile
from mlpipes_cli.adapters.embedded import database_server, mlflow_server
from mlpipes_cli.adapters.embedded.database_server import DatabaseServer
from mlpipes_cli.adapters.processes import ports, process
from mlpipes_cli.adapters.processes.daemon import Daemon, Probe
from mlpipes_cli.adapters.processes.state import Running, StateFiles
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports import Endpoints, ServiceSpec
from mlpipes_cli.project import Project

DATABASE, MLFLOW, API = database_server.NAME, mlflow_server.NAME, "api"
CORE = (DATABASE, MLFLOW)
SECRETS = ("POSTGRES_PASSWORD", "MLFLOW_DB_PASSWORD", "MLPIPES_DB_PASSWORD")
_CLIENT_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
    "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "false",
}


@dataclass(frozen=True)
class Parts:
    """Builds the services of one project."""

    project: Project

    @property
    def files(self) -> StateFiles:
        """What is written down."""
        return StateFiles(self.project.state)

    @property
    def temporary(self) -> Path:
        """Where MLflow puts its temporary files."""
        return self.project.state / "tmp"

    @property
    def artifacts(self) -> Path:
        """Where MLflow keeps artifacts."""
        return self.project.state / "artifacts"

    def log(self, service: str) -> Path:
        """A service's log file."""
        return self.project.logs / f"{service}.log"

    def secrets(self) -> Mapping[str, str]:
        """The passwords in ``.env``; empty where they are missing.

        Raises:
            MlpipesError: It cannot be read.
        """
        values = envfile.read(self.project.env_file)
        return {name: values.get(name, "") for name in SECRETS}

    def database(self) -> DatabaseServer:
        """PostgreSQL."""
        folder = self.project.state / DATABASE
        return DatabaseServer(self.project.root, folder, self.log(DATABASE), self.secrets())

    def mlflow(self, database_port: int) -> Daemon:
        """MLflow's server on the PostgreSQL at that port."""
        password = self.secrets()["MLFLOW_DB_PASSWORD"]
        return mlflow_server.describe(
            self.project.root, self.log(MLFLOW), self.artifacts, self.temporary, database_port, password
        )

    def added(self, spec: ServiceSpec, clients: Endpoints) -> Daemon:
        """A service that ``start`` added."""
        return Daemon(
            name=spec.name,
            root=self.project.root,
            command=spec.command,
            settings=clients.environment(),
            folder=self.project.root,
            log=self.log(spec.name),
            probe=Probe("GET", spec.ready_path),
            timeout=spec.timeout,
            release=importlib.metadata.version("mlpipes"),
        )

    def named(self, name: str) -> Daemon:
        """Enough of a service to find and end its processes."""
        root = self.project.root
        return Daemon(name, root, (), {}, root, self.log(name), Probe("GET", "/"), 0.0)

    def added_names(self) -> list[str]:
        """The services besides the core: wanted, written down, or found by their marks."""
        names = {*self.files.wanted(), *self.files.running(), *process.services(self.project.root)}
        return sorted(names - {*CORE, process.FOREGROUND})

    def wanted_port(self, service: str) -> int | None:
        """The fixed port of the settings, or of an added service."""
        if service not in CORE:
            spec = self.files.wanted().get(service)
            return spec.preferred_port if spec and spec.fixed_port else None
        stack = self.project.config.stack
        port = stack.postgres.port if service == DATABASE else stack.mlflow.port
        return None if port == "auto" else port

    def clients(self, database_port: int, mlflow_port: int, api_url: str | None = None) -> Endpoints:
        """Where clients find the services.

        Raises:
            MlpipesError: ``.env`` lacks the password.
        """
        password = self.secrets()["MLPIPES_DB_PASSWORD"]
        if not password:
            path = self.project.shown(self.project.env_file)
            raise MlpipesError(f"{path}: MLPIPES_DB_PASSWORD is missing", "`mlpipes up` sets a new one")
        login = f"mlpipes:{quote(password, safe='')}"
        api = {"MLPIPES_API_URL": api_url} if api_url else {}
        return Endpoints(
            tracking_uri=f"http://{ports.HOST}:{mlflow_port}",
            database_url=f"postgresql://{login}@{ports.HOST}:{database_port}/mlpipes",
            extra=_CLIENT_SETTINGS | api,
        )

    def end(self, service: str, running: Running | None) -> int:
        """End all processes of a service; returns how many there were.

        Raises:
            MlpipesError: One cannot be ended.
        """
        return self.database().end() if service == DATABASE else self.named(service).end(running)
