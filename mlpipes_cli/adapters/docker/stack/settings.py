"""Define the services of a stack in containers and their ports."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from mlpipes_cli import package_files
from mlpipes_cli.config.project import ProjectConfig

DATABASE, MLFLOW = "postgres", "mlflow"
STORES = ("minio", "rustfs")
API = "api"
TIMEOUTS = {DATABASE: 90.0, MLFLOW: 180.0, "pgadmin": 180.0}
TIMEOUTS |= {API: 1800.0}  # it may have to build its model's environment first
TIMEOUT = 120.0
STORE_USER = "mlflow"  # MLflow's own in the object store
ROOT_USER = "mlpipes"


@dataclass(frozen=True)
class PortSetting:
    """Describes a published port.

    Attributes:
        name: The name in the remembered ports and in the Compose file's variable.
        service: The service that listens on it.
        inside: The container's port.
        preferred: The default port; if it is taken, the next free one is chosen.
        wanted: The fixed port of the settings; None is ``auto``.
    """

    name: str
    service: str
    inside: int
    preferred: int
    wanted: int | None

    @property
    def variable(self) -> str:
        """The Compose file's variable for it."""
        return f"MLPIPES_{self.name.upper()}_PORT"


def compose_file() -> Path:
    """Return the path of the stack's Compose file."""
    return package_files.root() / "compose" / "compose.yaml"


def core(config: ProjectConfig) -> tuple[str, str, str]:
    """Return the services that every stack has, in the order in which they are shown."""
    return DATABASE, config.stack.object_store.engine, MLFLOW


def port_settings(config: ProjectConfig) -> tuple[PortSetting, ...]:
    """Return the settings of all ports of the stack."""
    stack = config.stack
    store = stack.object_store
    mlflow = 5001 if sys.platform == "darwin" else 5000  # macOS uses 5000 itself
    rows = (
        (DATABASE, DATABASE, 5432, 5432, stack.postgres.port),
        ("minio", store.engine, 9000, 9000, store.port),
        ("minio_console", store.engine, 9001, 9001, store.console_port),
        (MLFLOW, MLFLOW, 5000, mlflow, stack.mlflow.port),
        ("jupyter", "jupyter", 8888, 8888, stack.jupyter.port),
        ("pgadmin", "pgadmin", 80, 5050, stack.pgadmin.port),
        (API, API, 8000, 8000, config.serving.port),
    )
    return tuple(
        PortSetting(name, service, inside, preferred, None if port == "auto" else port)
        for name, service, inside, preferred, port in rows
    )
