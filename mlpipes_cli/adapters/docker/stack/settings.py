"""Define the services of a stack in containers and their ports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlpipes_cli import package_files
from mlpipes_cli.config.project import ProjectConfig
from mlpipes_cli.services import catalog
from mlpipes_cli.services.catalog import DATABASE, MLFLOW, STORES
from mlpipes_cli.services.definition import ServiceDefinition, ServicePort

STORE_USER = "mlflow"  # MLflow's own in the object store
ROOT_USER = "mlpipes"


@dataclass(frozen=True)
class PortSetting:
    """Describes a published port.

    Attributes:
        name: The name in the remembered ports.
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


def compose_file() -> Path:
    """Return the path of the stack's Compose file."""
    return package_files.root() / "compose" / "compose.yaml"


def core(config: ProjectConfig) -> tuple[str, str, str]:
    """Return the services that every stack has, in the order in which they are shown."""
    return DATABASE, config.stack.object_store.engine, MLFLOW


def definitions(config: ProjectConfig) -> list[ServiceDefinition]:
    """Return the definitions of all containers that the stack may have: of the object stores only its own."""
    store = config.stack.object_store.engine
    return [
        definition
        for definition in catalog.everything()
        if definition.container and (definition.name == store or definition.name not in STORES)
    ]


def ports(config: ProjectConfig) -> list[tuple[ServiceDefinition, ServicePort]]:
    """Return all ports of the stack, each with its service."""
    return [(definition, port) for definition in definitions(config) for port in definition.ports]


def port_settings(config: ProjectConfig) -> tuple[PortSetting, ...]:
    """Return the settings of all ports of the stack."""
    return tuple(
        PortSetting(port.name, definition.name, port.inside, port.default(), config.wanted_port(port))
        for definition, port in ports(config)
    )
