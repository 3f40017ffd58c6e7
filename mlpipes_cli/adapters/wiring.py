"""Chooses the adapter for each port; every import happens on demand."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlpipes_cli.adapters.dump.address import Address
    from mlpipes_cli.adapters.postgres.datasets.prepared import PreparedData
    from mlpipes_cli.adapters.spool import PendingRecords
    from mlpipes_cli.ports import (
        Endpoints,
        ModelSource,
        PredictionLog,
        Registry,
        Runtime,
        ServiceSpec,
        Tracking,
    )
    from mlpipes_cli.ports.alerts import Channel, Outbox
    from mlpipes_cli.ports.alias_notifications import AliasNotifications
    from mlpipes_cli.ports.api_keys import KeyStore
    from mlpipes_cli.ports.automation.pipeline_runs import PipelineStore
    from mlpipes_cli.ports.data_sets.datasets import RawTable
    from mlpipes_cli.ports.dumps import Databases
    from mlpipes_cli.ports.environments import Environments
    from mlpipes_cli.ports.ground_truth import TruthStore
    from mlpipes_cli.ports.images import ImageBuilder
    from mlpipes_cli.ports.monitoring import CheckStore, RecentChecks, WatchSeat, WindowReader
    from mlpipes_cli.ports.prediction_records import PredictionRecords
    from mlpipes_cli.ports.recent_predictions import RecentPredictions
    from mlpipes_cli.ports.retraining.served_rows import ServedRows
    from mlpipes_cli.ports.retraining.store import RetrainingStore
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

        others = tuple(one for one in made.services if one not in BY_SPEC)  # which `start` adds
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


def make_prediction_log(database_url: str) -> PredictionLog:
    """Return the log in which the prediction API stores its predictions."""
    from mlpipes_cli.adapters.postgres.prediction_log import PostgresPredictionLog

    return PostgresPredictionLog(database_url)


def make_prediction_spool(log: PredictionLog, folder: Path, limit: int) -> PredictionLog:
    """Return a log that works without its database, with files of at most so many bytes."""
    from mlpipes_cli.adapters.spool import SpoolingLog

    return SpoolingLog(log, folder, limit)


def make_truth_store(database_url: str) -> TruthStore:
    """Return the store of ground truth."""
    from mlpipes_cli.adapters.postgres.ground_truth import PostgresTruthStore

    return PostgresTruthStore(database_url)


def make_prediction_records(database_url: str) -> PredictionRecords:
    """Return the prediction log for the commands that read and prune it."""
    from mlpipes_cli.adapters.postgres.prediction_records import PostgresPredictionRecords

    return PostgresPredictionRecords(database_url)


def make_monitoring(database_url: str) -> tuple[CheckStore, WindowReader]:
    """Return the store of checks, and the reader of the predictions that a check looks at."""
    from mlpipes_cli.adapters.postgres import checks, prediction_windows

    return checks.PostgresCheckStore(database_url), prediction_windows.PostgresWindowReader(database_url)


def watch_seat(database_url: str, name: str) -> AbstractContextManager[WatchSeat | None]:
    """Take the seat of the one watcher of a model; None if another process has it."""
    from mlpipes_cli.adapters.postgres import watch_seat

    return watch_seat.taken(database_url, name)


def make_pipeline_store(database_url: str) -> PipelineStore:
    """Return the store of runs of pipelines."""
    from mlpipes_cli.adapters.postgres.pipelines.store import PostgresPipelineStore

    return PostgresPipelineStore(database_url)


def make_retraining(database_url: str) -> tuple[RetrainingStore, ServedRows]:
    """Return the history of retrainings, and the reader of served rows with ground truth."""
    from mlpipes_cli.adapters.postgres.retraining import served_rows, store

    return store.PostgresRetrainingStore(database_url), served_rows.PostgresServedRows(database_url)


def make_outbox(database_url: str) -> Outbox:
    """Return the alerts that have to go out."""
    from mlpipes_cli.adapters.postgres.deliveries import PostgresOutbox

    return PostgresOutbox(database_url)


def make_alert_channels(project: ProjectFolder) -> dict[str, Channel]:
    """Return the channels of ``monitoring: alerts``, by name."""
    from mlpipes_cli.adapters.alerts import channels

    return channels.make(project)


def make_recent_predictions(database_url: str) -> RecentPredictions:
    """Return the reader of the newest predictions."""
    from mlpipes_cli.adapters.postgres.recent_predictions import PostgresRecentPredictions

    return PostgresRecentPredictions(database_url)


def make_recent_checks(database_url: str) -> RecentChecks:
    """Return the reader of the newest checks."""
    from mlpipes_cli.adapters.postgres.recent_checks import PostgresRecentChecks

    return PostgresRecentChecks(database_url)


def prepare_database(url: str, *, must: bool = True) -> list[str]:
    """Make or upgrade the tables of the project's database; return the names of the migrations that ran.

    Args:
        url: The database's address.
        must: Whether a database that does not answer is an error.

    Raises:
        MlpipesError: The database does not answer, or refuses.
    """
    from mlpipes_cli.adapters.postgres import database
    from mlpipes_cli.errors import MlpipesError

    try:
        return database.migrate(url)
    except MlpipesError:
        if must:
            raise
        return []


def raw_table(url: str, dataset: str, waiting: Callable[[str], None]) -> AbstractContextManager[RawTable]:
    """Return the raw table of a data set, for this process alone until the context ends.

    Args:
        url: The database's address.
        dataset: The data set's name.
        waiting: Called with a line if another process has to end first.
    """
    from mlpipes_cli.adapters.postgres.datasets import raw_tables

    return raw_tables.loading(url, dataset, waiting)


def make_key_store(database_url: str) -> KeyStore:
    """Return the store of API keys."""
    from mlpipes_cli.adapters.postgres.api_keys import PostgresKeyStore

    return PostgresKeyStore(database_url)


def make_prepared_data(endpoints: Endpoints) -> PreparedData:
    """Return the data sets of a project, for what happens after their rows are loaded."""
    from mlpipes_cli.adapters.postgres.datasets.prepared import PreparedData

    return PreparedData(endpoints.database_url, endpoints.reader_url)


def make_model_source(tracking_uri: str, login: Mapping[str, str]) -> ModelSource:
    """Return the registry as servers read it, from a tracking server's address and login variables."""
    from mlpipes_cli.adapters.mlflow.model_source import RestModelSource

    return RestModelSource(tracking_uri, login)


def make_alias_news(database_url: str) -> AliasNotifications:
    """Return the listener for moved aliases."""
    from mlpipes_cli.adapters.postgres.alias_notifications import PostgresAliasNotifications

    return PostgresAliasNotifications(database_url)


def tell_alias_moved(database_url: str, model: str) -> None:
    """Notify servers that an alias of a model has moved; servers that miss it find out by polling."""
    from mlpipes_cli.adapters.postgres import alias_notifications
    from mlpipes_cli.errors import MlpipesError

    with contextlib.suppress(MlpipesError):
        alias_notifications.notify(database_url, model)


def make_vault(tracking_uri: str, login: Mapping[str, str], key: Key) -> Vault:
    """Return the models of a registry that may be loaded: those that the key signed."""
    from mlpipes_cli.signing.vault import Vault

    return Vault(make_model_source(tracking_uri, login), key)


def spooled(folder: Path) -> PendingRecords:
    """Return what waits in a spool for the database.

    Raises:
        MlpipesError: Access is denied.
    """
    from mlpipes_cli.adapters.spool import pending_records

    return pending_records(folder)


def replay_spool(folder: Path, database_url: str) -> int:
    """Store in the database what no running server holds of a spool; return the number of predictions.

    Raises:
        MlpipesError: The database does not accept them, or the spool cannot be read; what is left waits.
    """
    import asyncio

    from mlpipes_cli.adapters.spool import replay_left

    return asyncio.run(replay_left(make_prediction_log(database_url), folder))


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
