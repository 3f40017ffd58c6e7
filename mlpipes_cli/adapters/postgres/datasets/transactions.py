"""Connections for work on data sets: long statements, one data set at a time, snapshots of users' queries."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from mlpipes_cli.adapters.postgres import database
from mlpipes_cli.adapters.postgres.datasets.session import committing, failed, lock_key
from mlpipes_cli.data.origins.select_only import SECONDS

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

_LONG = f"""
set statement_timeout = '{SECONDS}s'; set lock_timeout = '60s'; set client_encoding = 'UTF8';
set datestyle = 'ISO, YMD'; set intervalstyle = 'postgres'; set extra_float_digits = 1;
set bytea_output = 'hex';
set work_mem = '128MB'; set temp_buffers = '128MB'; set search_path = pg_catalog, public;
"""


def connect(url: str) -> Connection:
    """Return a connection in autocommit mode whose statements may take half an hour.

    Raises:
        MlpipesError: The database does not answer.
    """
    import psycopg2

    connection = database.connect(url)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(_LONG)
            with contextlib.suppress(psycopg2.errors.UndefinedObject):  # not before PostgreSQL 14
                # The work of a killed process ends soon, not with its statement.
                cursor.execute("set client_connection_check_interval = '2s'")
    except psycopg2.Error as error:
        connection.close()
        raise failed(error) from None
    return connection


@contextlib.contextmanager
def connected(url: str) -> Iterator[Connection]:
    """Yield such a connection; an error of the server that no other place explains is one line.

    Raises:
        MlpipesError: The database does not answer, or refuses.
    """
    import psycopg2

    with contextlib.closing(connect(url)) as connection:
        try:
            yield connection
        except psycopg2.Error as error:
            raise failed(error) from None


@contextlib.contextmanager
def turn(url: str, dataset: str, waiting: Callable[[str], None]) -> Iterator[None]:
    """Hold the data set: no other process loads, prepares or prunes it meanwhile.

    The lock has a connection of its own, so that no statement of a user can release it.

    Args:
        url: The database.
        dataset: Its name.
        waiting: Told if another process holds it.

    Raises:
        MlpipesError: The database does not answer.
    """
    key = lock_key(dataset)
    with connected(url) as connection, connection.cursor() as cursor:
        cursor.execute("select pg_try_advisory_lock(%s)", (key,))
        if cursor.fetchone() != (True,):
            waiting(f"another process works on the data set {dataset!r}; waiting until it has finished")
            cursor.execute("set lock_timeout = 0; set statement_timeout = 0")
            cursor.execute("select pg_advisory_lock(%s)", (key,))
        yield


@contextlib.contextmanager
def transaction(connection: Connection, *, read_only: bool = False) -> Iterator[Cursor]:
    """Yield a cursor of one transaction; a read-only one sees a single snapshot.

    A read-only transaction can still fill temporary tables that exist.
    """
    with connection.cursor() as cursor:
        cursor.execute("begin isolation level repeatable read read only" if read_only else "begin")
        try:
            yield cursor
        except BaseException:
            if not connection.closed:
                with contextlib.suppress(Exception):
                    cursor.execute("rollback")
            raise
        with contextlib.nullcontext() if read_only else committing():
            cursor.execute("commit")
