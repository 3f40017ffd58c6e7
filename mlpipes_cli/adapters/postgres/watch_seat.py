"""The seat of the one watcher of a model: an advisory lock of a session, and the clock of the database."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from mlpipes_cli.adapters.postgres import database
from mlpipes_cli.ports.monitoring import LastCheck, WatchSeat

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

# A check far in the future, stored while the clock was wrong, says nothing of when the next one is due.
_LAST = """
select clock_timestamp(), max(checked_at) from monitoring.checks
where cause = 'scheduled' and alias = %(alias)s and (%(model)s::text is null or model = %(model)s)
    and checked_at <= clock_timestamp() + make_interval(secs => %(ahead)s)
"""


_TAKE = "select pg_try_advisory_lock(hashtextextended('mlpipes watch ' || %s, 0))"


class PostgresWatchSeat:
    """Implements :class:`mlpipes_cli.ports.monitoring.WatchSeat`.

    Args:
        link: The connection whose session has the lock; without it the seat is lost.
    """

    def __init__(self, link: Connection) -> None:
        self._link = link

    def last(self, model: str | None, alias: str, ahead: timedelta) -> LastCheck:
        import psycopg2

        values = {"model": model, "alias": alias, "ahead": ahead.total_seconds()}
        try:
            with self._link.cursor() as cursor:
                cursor.execute(_LAST, values)
                found: Any = cursor.fetchone()
        except psycopg2.Error as error:
            raise database.unreachable(error) from None
        return LastCheck(*found)


@contextlib.contextmanager
def taken(url: str, name: str) -> Iterator[WatchSeat | None]:
    """Yield the seat, or None if another process has it; PostgreSQL frees it when the process ends.

    Args:
        url: ``postgresql://user:password@host:port/mlpipes``.
        name: What is watched.

    Raises:
        MlpipesError: The database does not answer.
    """
    import psycopg2

    with closing(database.connect(url)) as link:
        link.autocommit = True
        try:
            with link.cursor() as cursor:
                cursor.execute(_TAKE, (name,))
                found: Any = cursor.fetchone()
        except psycopg2.Error as error:
            raise database.unreachable(error) from None
        yield PostgresWatchSeat(link) if found[0] else None
