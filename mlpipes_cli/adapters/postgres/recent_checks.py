"""Reads the newest checks of a model from PostgreSQL, for the prediction API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlpipes_cli.adapters.postgres.bounded_query import BoundedQueries

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

_NEWEST = """
select result from monitoring.checks where model = %(model)s order by checked_at desc, id desc limit %(limit)s
"""


class PostgresRecentChecks:
    """Implements :class:`mlpipes_cli.ports.monitoring.RecentChecks`.

    Args:
        url: ``postgresql://user:password@host:port/mlpipes``.
    """

    def __init__(self, url: str) -> None:
        self._queries = BoundedQueries(url)

    async def newest(self, model: str, limit: int) -> Sequence[Mapping[str, Any]]:
        def read(cursor: Cursor) -> list[Mapping[str, Any]]:
            cursor.execute(_NEWEST, {"model": model, "limit": limit})
            return [row[0] for row in cursor.fetchall()]

        return await self._queries.run(read)
