"""Chooses the adapters of the project's database; every import happens on demand."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlpipes_cli.adapters.postgres.datasets.prepared import PreparedData
    from mlpipes_cli.adapters.spool import PendingRecords
    from mlpipes_cli.ports import Endpoints, PredictionLog
    from mlpipes_cli.ports.alerts import Outbox
    from mlpipes_cli.ports.alias_notifications import AliasNotifications
    from mlpipes_cli.ports.api_keys import KeyStore
    from mlpipes_cli.ports.automation.pipeline_runs import PipelineStore
    from mlpipes_cli.ports.data_sets.datasets import RawTable
    from mlpipes_cli.ports.delivery.deployments import Deployments
    from mlpipes_cli.ports.ground_truth import TruthStore
    from mlpipes_cli.ports.monitoring import CheckStore, RecentChecks, WatchSeat, WindowReader
    from mlpipes_cli.ports.prediction_records import PredictionRecords
    from mlpipes_cli.ports.recent_predictions import RecentPredictions
    from mlpipes_cli.ports.retraining.served_rows import ServedRows
    from mlpipes_cli.ports.retraining.store import RetrainingStore


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


def make_recent_predictions(database_url: str) -> RecentPredictions:
    """Return the reader of the newest predictions."""
    from mlpipes_cli.adapters.postgres.recent_predictions import PostgresRecentPredictions

    return PostgresRecentPredictions(database_url)


def make_recent_checks(database_url: str) -> RecentChecks:
    """Return the reader of the newest checks."""
    from mlpipes_cli.adapters.postgres.recent_checks import PostgresRecentChecks

    return PostgresRecentChecks(database_url)


def make_deployments(database_url: str) -> Deployments:
    """Return the record of what servers loaded."""
    from mlpipes_cli.adapters.postgres.deployments import PostgresDeployments

    return PostgresDeployments(database_url)


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
