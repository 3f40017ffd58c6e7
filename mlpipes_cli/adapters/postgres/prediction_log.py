"""Stores predictions in PostgreSQL: one binary COPY and one COMMIT for all rows of a batch."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mlpipes_cli.adapters.postgres import copy_format, database, partitions
from mlpipes_cli.errors import MlpipesError, Rejected
from mlpipes_cli.ports import PredictionRow

if TYPE_CHECKING:
    from asyncpg import Connection

CONNECTIONS = 2  # one batch is encoded and sent while another is committed
_SECONDS = 4.0  # seconds for each attempt to connect or to write
_TABLE = {"schema_name": "serving", "format": "binary", "columns": copy_format.COLUMNS}
# Each is one message, so that there is no wait for a ROLLBACK on a connection that is lost in between.
_BEGIN_ABSENT = "begin; create temporary table perhaps (like serving.predictions) on commit drop"
_END_ABSENT = (
    f"insert into serving.predictions ({', '.join(copy_format.COLUMNS)}) "  # noqa: S608  our own names
    f"select {', '.join(copy_format.COLUMNS)} from perhaps on conflict do nothing; commit"
)


class PostgresPredictionLog:
    """Implements :class:`mlpipes_cli.ports.PredictionLog`.

    If the connection of a batch is lost, the batch is tried once more on a new connection and rows that
    exist are skipped: the COMMIT may have succeeded without its answer.

    Args:
        url: ``postgresql://user:password@host:port/mlpipes``.
        connections: Batches that may be sent at the same time.
        seconds: How long an attempt to connect or to write may take.
    """

    def __init__(self, url: str, connections: int = CONNECTIONS, seconds: float = _SECONDS) -> None:
        self._url, self._seconds = url, seconds
        self._idle: list[Connection | None] = [None] * connections
        self._free = asyncio.Semaphore(connections)
        self._months: set[partitions.Month] = set()

    async def open(self) -> None:
        import asyncpg

        await asyncio.to_thread(database.migrate, self._url)
        now = datetime.now(UTC)
        connection = await self._connected(None)
        try:
            async with asyncio.timeout(self._seconds):
                await self._with_months(connection, {(now.year, now.month)})
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            connection.terminate()
            raise database.unreachable(error) from None
        async with self._free:  # perhaps not the first attempt
            if (before := self._idle.pop()) is not None:
                before.terminate()
            self._idle.append(connection)

    async def write(self, rows: Sequence[PredictionRow], *, perhaps_there: bool = False) -> None:
        if not rows:
            return
        payload, months = copy_format.encode(rows), {partitions.month(row.made_at) for row in rows}
        async with self._free:
            connection = self._idle.pop()
            try:
                connection = await self._stored(connection, payload, months, perhaps_there)
            except BaseException:
                self._idle.append(None)
                raise
            self._idle.append(connection)

    async def ping(self) -> bool:
        try:
            async with asyncio.timeout(self._seconds):  # until a connection of the pool is free
                await self._free.acquire()
        except TimeoutError:
            return False
        connection = self._idle.pop()
        try:
            for given in (connection, None) if connection is not None else (None,):
                connection = await self._asked(given)
                if connection is not None:
                    return True
            return False
        finally:
            self._idle.append(connection)
            self._free.release()

    async def _asked(self, connection: Connection | None) -> Connection | None:
        """Return a usable connection, a new one if none is given; None if the database gives none."""
        try:
            connection = await self._connected(connection)
            async with asyncio.timeout(self._seconds):
                await connection.execute("select 1 from serving.predictions limit 1")
        except BaseException as error:
            if connection is not None:  # perhaps in the middle of a statement
                connection.terminate()
            if not isinstance(error, Exception):
                raise
            return None
        return connection

    async def close(self) -> None:
        for connection in self._idle:
            if connection is not None:
                with suppress(Exception):
                    await connection.close(timeout=self._seconds)
        self._idle = [None] * len(self._idle)

    async def _stored(
        self, connection: Connection | None, payload: bytes, months: set[partitions.Month], perhaps: bool
    ) -> Connection:
        """Store the batch, if necessary on a second connection; return the connection that works."""
        for attempt in ("first", "last"):
            try:
                connection = await self._connected(connection)
                async with asyncio.timeout(self._seconds):
                    await self._with_months(connection, months)
                    await (self._add_absent if perhaps else self._copy)(connection, payload)
            except BaseException as error:  # noqa: BLE001  a connection in the middle of something is of no use
                if connection is not None:
                    connection.terminate()
                self._months.clear()
                _raise_unless_lost(error, attempt)
                connection, perhaps = None, True
            else:
                return connection
        raise AssertionError("the last attempt returns or raises")

    @staticmethod
    async def _copy(connection: Connection, payload: bytes) -> None:
        await connection.copy_to_table("predictions", source=_source(payload), **_TABLE)

    @staticmethod
    async def _add_absent(connection: Connection, payload: bytes) -> None:
        await connection.execute(_BEGIN_ABSENT)
        columns = {**_TABLE, "schema_name": "pg_temp"}
        await connection.copy_to_table("perhaps", source=_source(payload), **columns)
        await connection.execute(_END_ABSENT)

    async def _connected(self, connection: Connection | None) -> Connection:
        if connection is not None and not connection.is_closed():
            return connection
        return await database.connect_async(self._url, self._seconds)

    async def _with_months(self, connection: Connection, months: set[partitions.Month]) -> None:
        for month in sorted(months - self._months):
            await partitions.make(connection, month)
            self._months.add(month)


async def _source(payload: bytes):  # type: ignore[no-untyped-def]  # an async generator of one piece
    yield payload


def _raise_unless_lost(error: BaseException, attempt: str) -> None:
    """Turn a failed attempt into the port's exceptions; return if a second attempt may succeed."""
    import asyncpg

    if isinstance(error, (MlpipesError, asyncio.CancelledError)):
        raise error
    if isinstance(error, TimeoutError):
        raise MlpipesError("the database did not respond in time", "see `mlpipes status`") from None
    if isinstance(error, asyncpg.PostgresError) and str(error.sqlstate)[:2] in {"22", "23", "54"}:
        raise Rejected(f"the database refused the predictions ({type(error).__name__})") from None
    lost = isinstance(error, (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError)) or (
        isinstance(error, asyncpg.PostgresError) and str(error.sqlstate) in {"57P01", "57P02", "57P03"}
    )
    if lost and attempt == "first":
        return
    if lost or isinstance(error, asyncpg.PostgresError):
        raise database.unreachable(error) from None
    raise error
