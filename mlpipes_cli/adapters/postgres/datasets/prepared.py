"""The data sets of a database, for the commands that check, prepare, list and compare them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlpipes_cli.adapters.postgres import database
from mlpipes_cli.adapters.postgres.datasets import loaded_table, transactions
from mlpipes_cli.adapters.postgres.datasets.checks import records as check_records
from mlpipes_cli.adapters.postgres.datasets.checks import run as check_run
from mlpipes_cli.adapters.postgres.datasets.preparing.run import Preparation
from mlpipes_cli.adapters.postgres.datasets.profiling import target
from mlpipes_cli.adapters.postgres.datasets.profiling.run import Profiling
from mlpipes_cli.adapters.postgres.datasets.versions import compare, publish, records
from mlpipes_cli.config.dataset.config import DatasetConfig
from mlpipes_cli.config.yaml_source import YamlSource
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports.data_sets.dataset_changes import ColumnChange, RowChanges
from mlpipes_cli.ports.data_sets.dataset_profile import TableProfile, TargetSummary
from mlpipes_cli.ports.data_sets.dataset_work import Work
from mlpipes_cli.ports.data_sets.datasets import CheckResult, CheckRun, DatasetVersion

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor


class PreparedData:
    """The data sets of a project's database.

    Args:
        url: The database.
        reader: The same for a role that can only read; None if it does not exist yet.
    """

    def __init__(self, url: str, reader: str | None) -> None:
        self._url, self._reader = url, reader

    def prepare_tables(self) -> None:
        """Make or upgrade the tables of records."""
        database.migrate(self._url)

    @contextlib.contextmanager
    def turn(self, dataset: str, waiting: Callable[[str], None]) -> Iterator[None]:
        """Hold the data set: no other process loads, prepares or prunes it meanwhile."""
        with transactions.turn(self._url, dataset, waiting):
            yield

    def check(
        self, config: DatasetConfig, source: YamlSource, actor: str, say: Callable[[str], None]
    ) -> tuple[int, list[CheckResult]]:
        """Run all checks and keep their results; return the newest load and the results.

        Raises:
            ConfigError: A check is wrong.
            MlpipesError: Nothing is loaded, or the database does not answer.
        """
        with self._reading() as cursor:
            table = loaded_table.read(cursor, config.dataset, source.name)
            results = list(check_run.Checks(cursor, table, config, source, say).run())
        with transactions.connected(self._url) as connection, transactions.transaction(connection) as cursor:
            check_records.store(cursor, config.dataset, table.load, results, actor)
        return table.load, results

    def columns(self, dataset: str) -> list[str]:
        """Return the columns of the raw table, without those of mlpipes.

        Raises:
            MlpipesError: Nothing is loaded.
        """
        with self._reading() as cursor:
            return list(loaded_table.read(cursor, dataset).types)

    def profile(
        self,
        config: DatasetConfig,
        roles: Mapping[str, str],
        unique: Sequence[str],
        say: Callable[[str], None],
    ) -> TableProfile:
        """Return the figures of the raw table.

        Args:
            config: The data set.
            roles: What columns are for, by their names in the table.
            unique: Columns whose values are meant to differ.
            say: Told each column when its turn comes.

        Raises:
            UsageError: The target is not a column, or cannot be a target.
            MlpipesError: Nothing is loaded, or the database does not answer or refuses.
        """
        with self._reading() as cursor:
            table = loaded_table.read(cursor, config.dataset)
            return Profiling(cursor, table, roles, unique, say).run()

    def target(self, dataset: str, name: str) -> TargetSummary | None:
        """Return what the raw table says of a column as a target; None if it cannot be one.

        Raises:
            MlpipesError: Nothing is loaded, or the database does not answer or refuses.
        """
        with self._reading() as cursor:
            return target.summary(cursor, loaded_table.read(cursor, dataset), name)

    def check_history(self, dataset: str, limit: int) -> list[CheckRun]:
        """Return the newest runs of all checks, the newest first."""
        with (
            transactions.connected(self._url) as connection,
            transactions.transaction(connection, read_only=True) as cursor,
        ):
            return check_records.newest(cursor, dataset, limit)

    def known(self, config: DatasetConfig, settings: Mapping[str, Any]) -> DatasetVersion | None:
        """Return the newest version if it was made from the newest load with these settings.

        Raises:
            MlpipesError: Nothing is loaded.
        """
        with (
            transactions.connected(self._url) as connection,
            transactions.transaction(connection, read_only=True) as cursor,
        ):
            table = loaded_table.read(cursor, config.dataset)
            newest = records.newest(cursor, config.dataset)
        return newest if publish.same(newest, table.load, settings) else None

    def verify(self, work: Work) -> None:
        """Check names, types and SQL of all steps without running one.

        Raises:
            ConfigError: A step is wrong.
        """
        with transactions.connected(self._url) as connection:
            self._preparation(connection, work).check()

    def prepare(self, work: Work) -> tuple[DatasetVersion, bool, int]:
        """Clean and split the rows, and make a version.

        Returns:
            The version, whether it is new, and how many rows were split.

        Raises:
            ConfigError: A step is wrong.
            MlpipesError: A step fails, or the rows cannot be split.
        """
        with transactions.connected(self._url) as connection:
            preparation = self._preparation(connection, work)
            rows = preparation.run()
            split = work.config.split
            parts = ("train", *(("validation",) if split.validation else ()), "test")
            work.say("writing the version")
            content = publish.VersionContent(
                work.config.dataset, preparation.table.load, work.settings,
                {"steps": preparation.learned}, parts, work.actor,
            )  # fmt: skip
            version, new = publish.publish(connection, rows, content)
        return version, new, preparation.divided

    def versions(self, dataset: str | None) -> list[DatasetVersion]:
        """Return all versions, the newest of each data set first."""
        with (
            transactions.connected(self._url) as connection,
            transactions.transaction(connection, read_only=True) as cursor,
        ):
            return records.listed(cursor, dataset)

    def prune(self, dataset: str, keep: int) -> list[DatasetVersion]:
        """Remove the rows of all but the newest versions; return those that lost them."""
        with transactions.connected(self._url) as connection:
            return publish.prune(connection, dataset, keep)

    def compare(
        self, old: DatasetVersion, new: DatasetVersion, key: Sequence[str]
    ) -> tuple[RowChanges, list[ColumnChange]]:
        """Return the rows in which two versions differ, and how each column moved."""
        with (
            transactions.connected(self._url) as connection,
            transactions.transaction(connection, read_only=True) as cursor,
        ):
            return compare.rows(cursor, old, new, key), compare.columns(cursor, old, new)

    def _preparation(self, connection: Connection, work: Work) -> Preparation:
        with transactions.transaction(connection, read_only=True) as cursor:
            table = loaded_table.read(cursor, work.config.dataset)
        return Preparation(
            connection, table, work.config, work.source, work.texts, work.calls, work.say, work.note
        )

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Cursor]:
        """Yield a cursor on one snapshot, of the role that can only read."""
        if self._reader is None:
            raise MlpipesError("the project's database has no read-only role yet", "`mlpipes up` creates it")
        with (
            transactions.connected(self._reader) as reader,
            transactions.transaction(reader, read_only=True) as cursor,
        ):
            yield cursor
