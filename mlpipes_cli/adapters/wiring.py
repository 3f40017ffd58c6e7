"""Chooses the adapter for each port; every import happens on demand."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlpipes_cli.adapters.dump.address import Address
    from mlpipes_cli.ports import Endpoints, ModelSource, Registry, Runtime, ServiceSpec, Tracking
    from mlpipes_cli.ports.alerts import Channel
    from mlpipes_cli.ports.delivery.run_copies import RunCopies
    from mlpipes_cli.ports.dumps import Databases
    from mlpipes_cli.ports.environments import Environments
    from mlpipes_cli.ports.images import ImageBuilder
    from mlpipes_cli.project import ProjectFolder
    from mlpipes_cli.signing.keys import Key
    from mlpipes_cli.signing.vault import Vault
    from mlpipes_cli.stack_state import StackState


def choose_runtime(project: ProjectFolder, asked: str | None = None) -> tuple[str, str]:
    """Return the runtime that ``up`` starts, and why.

    Args:
        project: Its settings apply if ``asked`` is None.
        asked: The value of ``--runtime``.

    Raises:
        UsageError: There is no such runtime, or the project's data is in another one.
    """
    from mlpipes_cli.adapters import runtime_choice

    return runtime_choice.for_up(project, asked)


def make_runtime(
    project: ProjectFolder, choices: StackState | None = None, reason: str | None = None
) -> Runtime:
    """Return the runtime of a project's stack.

    Args:
        project: The project.
        choices: What the user chose; the remembered choices if omitted.
        reason: Why that runtime; determined if omitted.

    Raises:
        MlpipesError: ``.env`` cannot be read, or it is not known where the project's data is.
    """
    from mlpipes_cli import stack_state as remembered
    from mlpipes_cli.adapters import runtime_choice
    from mlpipes_cli.services.catalog import BY_SPEC

    made = choices or remembered.read(project)
    if choices is not None and choices.runtime is not None:
        name, why = choices.runtime, f"{choices.runtime} was chosen before"
    else:
        name, why = runtime_choice.current(project)
    auth = project.config.stack.mlflow.auth if made.auth is None else made.auth
    if name == "docker":
        from mlpipes_cli.adapters.docker.runtime import DockerRuntime

        others = tuple(service for service in made.services if service not in BY_SPEC)  # which `start` adds
        return DockerRuntime(project, reason or why, services=others, auth=auth)
    if name == "remote":
        from mlpipes_cli.adapters.remote.runtime import RemoteRuntime

        return RemoteRuntime(project, reason or why)
    from mlpipes_cli.adapters.embedded.runtime import EmbeddedRuntime

    return EmbeddedRuntime(project, reason or why, auth=auth)


def make_registry(endpoints: Endpoints) -> Registry:
    """Return the model registry of a running stack."""
    from mlpipes_cli.adapters.mlflow.client import Connection
    from mlpipes_cli.adapters.mlflow.registry import MlflowRegistry

    return MlflowRegistry(Connection(endpoints.tracking_uri, login=endpoints.login))


def make_tracking(endpoints: Endpoints, key: Key) -> Tracking:
    """Return the tracking server of runs, whose models are signed with the key."""
    from mlpipes_cli.adapters.mlflow.client import PATIENTLY, Connection
    from mlpipes_cli.adapters.mlflow.tracking import MlflowTracking

    return MlflowTracking(Connection(endpoints.tracking_uri, PATIENTLY, endpoints.login), key)


def make_run_copies(source: Endpoints, target: Endpoints, key: Key) -> RunCopies:
    """Return what copies runs from one running stack to another, whose key signs the copied models."""
    from mlpipes_cli.adapters.mlflow.client import PATIENTLY, Connection
    from mlpipes_cli.adapters.mlflow.run_copies import MlflowRunCopies

    there = Connection(source.tracking_uri, PATIENTLY, source.login)
    return MlflowRunCopies(there, Connection(target.tracking_uri, PATIENTLY, target.login), key)


def make_alert_channels(project: ProjectFolder) -> dict[str, Channel]:
    """Return the channels of ``monitoring: alerts``, by name."""
    from mlpipes_cli.adapters.alerts import channels

    return channels.make(project)


def make_model_source(tracking_uri: str, login: Mapping[str, str]) -> ModelSource:
    """Return the registry as servers read it, from a tracking server's address and login variables."""
    from mlpipes_cli.adapters.mlflow.model_source import RestModelSource

    return RestModelSource(tracking_uri, login)


def make_vault(tracking_uri: str, login: Mapping[str, str], key: Key) -> Vault:
    """Return the models of a registry that may be loaded: those that the key signed."""
    from mlpipes_cli.signing.vault import Vault

    return Vault(make_model_source(tracking_uri, login), key)


def make_image_builder() -> ImageBuilder:
    """Return the builder of images that hold a model."""
    from mlpipes_cli.adapters.docker.images.model_image import DockerImageBuilder

    return DockerImageBuilder()


def make_databases() -> Databases:
    """Return the adapter that copies and replaces whole databases."""
    from mlpipes_cli.adapters.dump.databases import PostgresDatabases

    return PostgresDatabases()


def mlflow_revisions() -> Collection[str]:
    """Return the versions of MLflow's tables that this release can read or upgrade."""
    from mlpipes_cli.adapters.mlflow import schema

    return schema.revisions()


def newest_mlflow_revision() -> str:
    """Return the version of MLflow's tables that this release works on."""
    from mlpipes_cli.adapters.mlflow import schema

    return schema.newest()


def added_services(project: ProjectFolder) -> Path:
    """Return the file that names the services that ``up`` starts beside the core services."""
    from mlpipes_cli.adapters.processes.state import StateFiles

    return StateFiles(project.state).wanted_file


def remembered_services(project: ProjectFolder) -> Mapping[str, ServiceSpec]:
    """Return the services that ``up`` starts beside the core services, by name."""
    from mlpipes_cli.adapters.processes.state import StateFiles

    return StateFiles(project.state).wanted()


def database_address(url: str) -> Address:
    """Return a database's address with the password apart."""
    from mlpipes_cli.adapters.dump import address

    return address.parse(url)


def database_program(name: str, address: Address) -> Path:
    """Return a client program of PostgreSQL that fits the server.

    Raises:
        MlpipesError: The database does not answer, or no installed program fits.
    """
    from mlpipes_cli.adapters.dump import programs

    connection = address.connect()
    try:
        return programs.choose(name, connection)
    finally:
        connection.close()


def lock(path: Path, waiting: Callable[[str], None]) -> AbstractContextManager[None]:
    """Return a lock file for one process at a time; ``waiting`` gets the holder's description."""
    from mlpipes_cli.adapters.processes.json_files import locked

    return locked(path, waiting)


def keep_logs(project: ProjectFolder) -> None:
    """Let this process rotate the logs of the project's services when they have become large."""
    from mlpipes_cli.adapters.processes import log_rotation

    log_rotation.keep(project.logs)


def mark_children(project: ProjectFolder) -> None:
    """Mark the processes that this process starts from now on, so that ``down`` finds them on its own."""
    import os

    from mlpipes_cli.adapters.processes import process

    for name, value in process.foreground_marks(project.root).items():
        os.environ.setdefault(name, value)  # a service of the stack has a mark of its own


def make_environments() -> Environments:
    """Return the environments of this machine: a context that holds what it returns until it ends."""
    from mlpipes_cli.adapters.environments.store import EnvironmentStore

    return EnvironmentStore()
