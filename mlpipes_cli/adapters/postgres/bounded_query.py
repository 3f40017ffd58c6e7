"""Queries of the prediction API that may take a few seconds at most, on connections of their own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import closing, suppress
from os import dup
from typing import TYPE_CHECKING, TypeVar

from mlpipes_cli.adapters.postgres import database
from mlpipes_cli.errors import MlpipesError

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

PATIENCE = 5.0  # seconds
T = TypeVar("T")


class BoundedQueries:
    """Runs one query at a time; a query that hangs is cut off.

    Args:
        url: ``postgresql://user:password@host:port/mlpipes``.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._turn = asyncio.Lock()

    async def run(self, read: Callable[[Cursor], T]) -> T:
        """Return what ``read`` makes of a new connection's cursor.

        Raises:
            MlpipesError: The database does not answer within a few seconds.
        """
        opened: list[Connection] = []
        try:
            async with asyncio.timeout(PATIENCE), self._turn:
                return await asyncio.to_thread(self._read, read, opened)
        except TimeoutError:
            for connection in opened:
                _cut(connection)
            raise MlpipesError(
                f"the database did not respond within {PATIENCE:g} s", "see `mlpipes status`"
            ) from None

    def _read(self, read: Callable[[Cursor], T], opened: list[Connection]) -> T:
        import psycopg2

        with closing(database.connect(self._url)) as connection:
            opened.append(connection)
            try:
                with connection.cursor() as cursor:
                    return read(cursor)
            except psycopg2.Error as error:
                raise database.unreachable(error) from None


def _cut(connection: Connection) -> None:
    """Close a connection while another thread waits on it."""
    with suppress(Exception):
        if not connection.closed:
            with socket.socket(fileno=dup(connection.fileno())) as ours:
                ours.shutdown(socket.SHUT_RDWR)
