"""Sessions that change tables of data sets: long enough for large tables, one at a time for each data set."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mlpipes_cli.adapters.postgres import database
from mlpipes_cli.errors import MlpipesError

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

_LOCK_SECONDS = 60  # for tables that another client uses
_RECORDS = re.compile(r"\._(loads|bad_rows|checks|versions)\b")  # which no load makes again


def lock_key(dataset: str) -> int:
    """Return the number of the advisory lock of a data set."""
    digest = hashlib.sha256(f"mlpipes data set {dataset}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


@contextmanager
def changing(url: str, dataset: str, waiting: Callable[[str], None]) -> Iterator[Connection]:
    """Yield a connection that alone changes a data set until the context ends.

    Args:
        url: The database's address.
        dataset: The data set's name.
        waiting: Called with a line if another process has to end first.

    Raises:
        MlpipesError: The database does not answer, or a statement fails.
    """
    import psycopg2

    connection = database.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute("set statement_timeout = 0; set lock_timeout = 0")
            cursor.execute("select pg_try_advisory_lock(%s)", (lock_key(dataset),))
            if not (cursor.fetchone() or (False,))[0]:
                waiting(f"another process changes the data set {dataset!r}: waiting until it has ended")
                cursor.execute("select pg_advisory_lock(%s)", (lock_key(dataset),))
            cursor.execute(f"set lock_timeout = '{_LOCK_SECONDS}s'")
        connection.commit()
        yield connection
    except psycopg2.Error as error:
        raise failed(error) from None
    finally:
        connection.close()  # ends the transaction, and gives the lock back


@contextmanager
def committing() -> Iterator[None]:
    """Say what is known if the connection is lost while a transaction is committed.

    Raises:
        MlpipesError: It was lost.
    """
    import psycopg2

    try:
        yield
    except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
        if isinstance(error, psycopg2.errors.DiskFull):
            raise
        raise MlpipesError(
            f"the connection to the database was lost during the commit ({_one_line(error)}), so all of it"
            " was stored or nothing",
            "see `mlpipes status`, and run the command again: what was stored is not added a second time",
        ) from None


def _one_line(error: BaseException) -> str:
    return database.first_line(error).removeprefix("ERROR:").removeprefix("FATAL:").strip()


def failed(error: BaseException) -> MlpipesError:
    """Return the error for a statement that failed; nothing was changed."""
    import psycopg2

    message = _one_line(error)
    if isinstance(error, psycopg2.errors.DiskFull):
        return MlpipesError(
            f"the database's disk is full ({message}); nothing was changed", "free some space"
        )
    if isinstance(error, psycopg2.errors.LockNotAvailable):
        return MlpipesError(
            "another client uses the table and does not end; nothing was changed",
            "end its transaction, and try again",
        )
    if isinstance(error, psycopg2.errors.DependentObjectsStillExist):
        detail = (error.diag.message_detail or "").splitlines()
        return MlpipesError(
            f"the table cannot be replaced, since others depend on it ({(detail or [message])[0]})",
            "drop the view first, or load with `mode: append` or `merge`",
        )
    if isinstance(error, psycopg2.errors.UndefinedTable):
        return MlpipesError(
            f"a table of the data set was removed ({message}); nothing was changed",
            "restore a backup"
            if _RECORDS.search(message)
            else "restore a backup, or load and prepare it again",
        )
    if isinstance(error, (psycopg2.OperationalError, psycopg2.InterfaceError)):
        return MlpipesError(
            f"the connection to the database was lost ({message}); nothing was changed",
            "see `mlpipes status`, and try again",
        )
    return MlpipesError(f"the database refused ({message}); nothing was changed", "see the message")
