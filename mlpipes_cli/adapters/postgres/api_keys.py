"""Stores API keys in PostgreSQL, as SHA-256."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterable, Iterator, Sequence
from os import dup
from typing import TYPE_CHECKING

from mlpipes_cli.adapters.postgres import database
from mlpipes_cli.errors import Rejected
from mlpipes_cli.ports.api_keys import ActiveKeys, ApiKey

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

_SHOWN = "id, name, created_at, revoked_at, last_used_at"
_LIST = f"select {_SHOWN} from serving.api_keys order by created_at, id"  # noqa: S608  our own names, as below
_CREATE = f"""
insert into serving.api_keys (id, name, hash) values (%s, %s, %s) on conflict do nothing returning {_SHOWN}
"""  # noqa: S608
_REVOKE = f"""
update serving.api_keys set revoked_at = now() where revoked_at is null and id = (
    select id from serving.api_keys where revoked_at is null and %(it)s in (id, name)
    order by id = %(it)s desc limit 1
) returning {_SHOWN}
"""  # noqa: S608


class PostgresKeyStore:
    """Implements :class:`mlpipes_cli.ports.api_keys.KeyStore` on one connection, which is renewed when lost.

    Args:
        url: ``postgresql://user:password@host:port/mlpipes``.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Connection | None = None
        self._guard, self._turn = threading.Lock(), threading.Lock()

    def prepare(self) -> None:
        database.migrate(self._url)

    def list(self) -> Sequence[ApiKey]:
        with self._cursor() as cursor:
            cursor.execute(_LIST)
            return [ApiKey(*row) for row in cursor.fetchall()]

    def create(self, id: str, name: str, digest: bytes) -> ApiKey:
        with self._cursor() as cursor:
            cursor.execute(_CREATE, (id, name, digest))
            row = cursor.fetchone()
        if row is None:
            raise Rejected(
                f"an API key named {name!r} already exists", "choose another name, or revoke that key first"
            )
        return ApiKey(*row)

    def revoke(self, name_or_id: str) -> ApiKey | None:
        with self._cursor() as cursor:
            cursor.execute(_REVOKE, {"it": name_or_id})
            row = cursor.fetchone()
        return None if row is None else ApiKey(*row)

    def active(self) -> ActiveKeys:
        with self._cursor() as cursor:
            cursor.execute("select id, hash, revoked_at is null from serving.api_keys")
            rows = cursor.fetchall()
        return ActiveKeys(bool(rows), {id: bytes(hash) for id, hash, counts in rows if counts})

    def used(self, ids: Iterable[str]) -> None:
        with self._cursor() as cursor:
            cursor.execute(
                "update serving.api_keys set last_used_at = now() where id = any(%s)", (list(ids),)
            )

    def interrupt(self) -> None:
        with self._guard:
            if self._connection is None or self._connection.closed:
                return
            with contextlib.suppress(OSError), socket.socket(fileno=dup(self._connection.fileno())) as ours:
                ours.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with self._turn:
            self._drop()

    @contextlib.contextmanager
    def _cursor(self) -> Iterator[Cursor]:
        """Yield the cursor of a transaction.

        Raises:
            MlpipesError: The database does not answer.
        """
        import psycopg2

        with self._turn:
            try:
                connection = self._connected()
                with connection, connection.cursor() as cursor:
                    yield cursor
            except psycopg2.Error as error:
                self._drop()
                raise database.unreachable(error) from None

    def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            connection = database.connect(self._url)
            with self._guard:
                self._connection = connection
        assert self._connection is not None
        return self._connection

    def _drop(self) -> None:
        with self._guard:
            connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.close()
