"""Predictions in Postgres: one COPY and one COMMIT for all rows of a batch."""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from os import dup
from typing import TYPE_CHECKING

from mlpipes_cli.adapters import database
from mlpipes_cli.errors import MlpipesError, Rejected
from mlpipes_cli.ports import PredictionRow

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

_COLUMNS = (
    "prediction_id, caller_id, made_at, model_name, model_version, model_alias, "
    "inputs, prediction, scores, latency_ms"
)
_COPY = f"copy serving.predictions ({_COLUMNS}) from stdin"
_INSERT = f"insert into serving.predictions ({_COLUMNS}) values %s on conflict do nothing"  # noqa: S608
_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})
Month = tuple[int, int]


class PostgresPredictionStore:
    """Implements :class:`mlpipes_cli.ports.PredictionStore`.

    A batch that fails because the connection had died is tried once more on a new connection,
    by an INSERT that skips rows which are there: the COMMIT may have succeeded unheard.

    Args:
        url: ``postgresql://user:password@host:port/mlpipes``.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Connection | None = None
        self._months: set[Month] = set()
        self._guard = threading.Lock()

    def prepare(self) -> None:
        """Make the tables and this month's partition."""
        import psycopg2

        database.migrate(self._url)
        now = datetime.now(UTC)
        try:
            self._with_months(self._connected(), {(now.year, now.month)})
        except psycopg2.Error as error:
            raise database.unreachable(error) from None

    def write(self, rows: Sequence[PredictionRow]) -> None:
        import psycopg2

        if not rows:
            return
        fresh = self._connection is None
        try:
            self._transaction(rows, self._copy)
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            self._drop()
            if fresh:
                raise database.unreachable(error) from None
        except psycopg2.Error as error:
            self._drop()
            raise Rejected(f"the database refused the predictions ({_reason(error)})") from None
        else:
            return
        try:
            self._transaction(rows, self._insert)
        except psycopg2.Error as error:
            self._drop()
            raise database.unreachable(error) from None

    def ping(self) -> bool:
        import psycopg2

        try:
            with closing(database.connect(self._url)) as connection, connection.cursor() as cursor:
                cursor.execute("select 1 from serving.predictions limit 1")
        except (MlpipesError, psycopg2.Error):
            return False
        return True

    def interrupt(self) -> None:
        with self._guard:
            if self._connection is None or self._connection.closed:
                return
            with suppress(OSError), socket.socket(fileno=dup(self._connection.fileno())) as ours:
                ours.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._drop()

    def _connected(self) -> Connection:
        if self._connection is None:
            connection = database.connect(self._url)
            with self._guard:
                self._connection = connection
        return self._connection

    def _drop(self) -> None:
        """Forget the connection; partitions are looked at again on the next one."""
        with self._guard:
            connection, self._connection = self._connection, None
        self._months.clear()
        if connection is not None:
            with suppress(Exception):
                connection.close()

    def _transaction(
        self, rows: Sequence[PredictionRow], fill: Callable[[Cursor, Sequence[PredictionRow]], None]
    ) -> None:
        connection = self._connected()
        self._with_months(connection, {_month(row.made_at) for row in rows})
        with connection.cursor() as cursor:
            fill(cursor, rows)
        connection.commit()

    @staticmethod
    def _copy(cursor: Cursor, rows: Sequence[PredictionRow]) -> None:
        cursor.copy_expert(_COPY, io.StringIO("".join(map(_copy_line, rows))))

    @staticmethod
    def _insert(cursor: Cursor, rows: Sequence[PredictionRow]) -> None:
        from psycopg2.extras import execute_values

        execute_values(cursor, _INSERT, [_fields(row) for row in rows], page_size=500)

    def _with_months(self, connection: Connection, months: set[Month]) -> None:
        for month in sorted(months - self._months):
            _make_partition(connection, month)
            self._months.add(month)


def _make_partition(connection: Connection, month: Month) -> None:
    """Make the partition of a month unless it is there.

    Should rows of that month already be in the default partition (a clock that jumped), they
    stay there and so do its new ones: Postgres refuses the new partition.
    """
    import psycopg2

    year, number = month
    following = (year + 1, 1) if number == 12 else (year, number + 1)
    first, after = f"{year:04}-{number:02}-01 00:00+00", "{:04}-{:02}-01 00:00+00".format(*following)
    name = f"serving.predictions_{year:04}_{number:02}"
    with connection.cursor() as cursor:
        cursor.execute("select to_regclass(%s)", (name,))
        found = cursor.fetchone()
        if found is not None and found[0] is not None:
            connection.commit()
            return
        cursor.execute("select pg_advisory_xact_lock(%s)", (database.LOCK,))
        try:
            cursor.execute(
                f"create table if not exists {name} partition of serving.predictions "
                "for values from (%s) to (%s)",
                (first, after),
            )
        except (psycopg2.errors.CheckViolation, psycopg2.errors.InsufficientPrivilege):
            connection.rollback()
            return
    connection.commit()


def _month(milliseconds: int) -> Month:
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.year, moment.month


def _fields(row: PredictionRow) -> tuple[str | int | float | None, ...]:
    moment = datetime.fromtimestamp(row.made_at // 1000, UTC).replace(microsecond=row.made_at % 1000 * 1000)
    return (
        row.prediction_id,
        row.caller_id,
        moment.isoformat(),
        row.model,
        row.version,
        row.alias,
        row.inputs,
        row.prediction,
        row.scores,
        row.latency_ms,
    )


def _copy_line(row: PredictionRow) -> str:
    """The row in COPY's text format."""
    return "\t".join(_escaped(_fields(row))) + "\n"


def _escaped(values: Iterable[str | int | float | None]) -> Iterable[str]:
    return ("\\N" if value is None else str(value).translate(_ESCAPES) for value in values)


def _reason(error: Exception) -> str:
    """The first line of the database's words: later ones may quote values."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
