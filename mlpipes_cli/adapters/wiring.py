"""Which adapter stands behind each port; every import happens on demand."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlpipes_cli.choices import Choices
    from mlpipes_cli.ports import Endpoints, PredictionStore, Registry, Runtime, Tracking
    from mlpipes_cli.ports.dumps import Databases
    from mlpipes_cli.project import Project


def choose_runtime(project: Project, asked: str | None = None) -> tuple[str, str]:
    """The runtime that ``up`` starts, and why.

    Args:
        project: Its settings count where nothing is asked.
        asked: ``--runtime``.

    Raises:
        UsageError: There is no such runtime, or the project's data is in another one.
    """
    from mlpipes_cli.adapters import choosing

    return choosing.for_up(project, asked)


def make_runtime(project: Project, choices: Choices | None = None, reason: str | None = None) -> Runtime:
    """The runtime of a project's stack.

    Args:
        project: Whose.
        choices: What was chosen; what is remembered where it is left out.
        reason: Why that runtime; found out where it is left out.

    Raises:
        MlpipesError: ``.env`` cannot be read, or nothing says where the project's data is.
    """
    from mlpipes_cli import choices as remembered
    from mlpipes_cli.adapters import choosing

    made = choices or remembered.read(project)
    if choices is not None and choices.runtime is not None:
        name, why = choices.runtime, f"{choices.runtime} was chosen"
    else:
        name, why = choosing.current(project)
    auth = project.config.stack.mlflow.auth if made.auth is None else made.auth
    if name == "docker":
        from mlpipes_cli.adapters.docker.runtime import DockerRuntime

        return DockerRuntime(project, reason or why, services=made.services, auth=auth)
    if name == "remote":
        from mlpipes_cli.adapters.remote.runtime import RemoteRuntime

        return RemoteRuntime(project, reason or why)
    from mlpipes_cli.adapters.embedded.runtime import EmbeddedRuntime

    return EmbeddedRuntime(project, reason or why, auth=auth)


def make_registry(endpoints: Endpoints) -> Registry:
    """The model registry of a running stack."""
    from mlpipes_cli.adapters.mlflow_client import Connection
    from mlpipes_cli.adapters.registry import MlflowRegistry

    return MlflowRegistry(Connection(endpoints.tracking_uri, login=endpoints.login))


def make_tracking(endpoints: Endpoints) -> Tracking:
    """Where runs are written."""
    from mlpipes_cli.adapters.mlflow_client import PATIENTLY, Connection
    from mlpipes_cli.adapters.tracking import MlflowTracking

    return MlflowTracking(Connection(endpoints.tracking_uri, PATIENTLY, endpoints.login))


def make_prediction_store(database_url: str) -> PredictionStore:
    """Where the prediction API keeps its predictions."""
    from mlpipes_cli.adapters.prediction_log import PostgresPredictionStore

    return PostgresPredictionStore(database_url)


def make_databases() -> Databases:
    """What copies and replaces whole databases."""
    from mlpipes_cli.adapters.dump.databases import PostgresDatabases

    return PostgresDatabases()


def mlflow_revisions() -> Collection[str]:
    """The versions of MLflow's tables that this release can read or bring up to date."""
    from mlpipes_cli.adapters import mlflow_schema

    return mlflow_schema.revisions()


def newest_mlflow_revision() -> str:
    """The version of MLflow's tables that this release works on."""
    from mlpipes_cli.adapters import mlflow_schema

    return mlflow_schema.newest()


def added_services(project: Project) -> Path:
    """The file that names the services that ``up`` brings back beside the core."""
    from mlpipes_cli.adapters.processes.state import StateFiles

    return StateFiles(project.state).wanted_file


def lock(path: Path, waiting: Callable[[str], None]) -> AbstractContextManager[None]:
    """A lock file that one process holds; ``waiting`` is told, with its holder in words, where we wait."""
    from mlpipes_cli.adapters.processes.files import locked

    return locked(path, waiting)


def mark_children(project: Project) -> None:
    """Have what this process starts from now on marked, so that ``down`` finds it without us."""
    import os

    from mlpipes_cli.adapters.processes import process

    for name, value in process.foreground_marks(project.root).items():
        os.environ.setdefault(name, value)  # a service of the stack carries its own


@contextlib.contextmanager
def serving_port(
    wanted: int | None, remembered: int | None, preference: int, say: Callable[[str], None]
) -> Iterator[int]:
    """A port for a server in this process, held until the context ends.

    Raises:
        MlpipesError: The wanted port is taken; the message names its holder.
    """
    from mlpipes_cli.adapters.processes import ports
    from mlpipes_cli.errors import MlpipesError

    if wanted is not None:  # whoever starts us as a service may hold it for us already
        if not ports.is_free(wanted):
            holder = ports.holder(wanted)
            raise MlpipesError(
                f"port {wanted} is taken by {holder}", "stop it, or choose another with --port"
            )
        yield wanted
        return
    with ports.Reservations() as reservations:
        yield ports.choose(
            "the API", reservations, wanted=None, remembered=remembered, preference=preference, say=say
        )
