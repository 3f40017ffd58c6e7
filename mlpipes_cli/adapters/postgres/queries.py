"""Read the rows of a query: all at once, or in batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

_cursors = count()


def fetched(session: Connection, statement: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Return all rows."""
    with session.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def streamed(
    session: Connection, statement: str, values: Mapping[str, Any], size: int
) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the rows through a server-side cursor, ``size`` at a time."""
    with session.cursor(name=f"mlpipes_{next(_cursors)}") as cursor:
        cursor.itersize = size
        cursor.execute(statement, values)
        while part := cursor.fetchmany(size):
            yield part
