"""Patterns of texts: Python's regular expressions, over the distinct values of a column.

PostgreSQL's own expressions are another language, in which ``\\b`` is a backspace and names of groups do not
exist. So the values come here, each once, in batches.
"""

from __future__ import annotations

import heapq
import re
from typing import TYPE_CHECKING

from psycopg2 import sql

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

_BATCH = 50_000


def wrong_values(
    cursor: Cursor, table: sql.Composable, column: str, pattern: str, examples: int
) -> tuple[int, list[str]]:
    """Return how many rows do not match, and some of their values, those of the first rows.

    Args:
        cursor: Of a transaction.
        table: The table.
        column: A column of texts.
        pattern: The expression that the whole text has to match.
        examples: The most values to return.
    """
    matches = re.compile(pattern).fullmatch
    it = sql.Identifier(column)
    statement = sql.SQL(
        "declare mlpipes_values no scroll cursor for"
        " select {it}, count(*), min(_row) from {table} where {it} is not null group by {it}"
    )
    cursor.execute(statement.format(it=it, table=table))
    wrong = 0
    first: list[tuple[int, str]] = []
    while True:
        cursor.execute(f"fetch {_BATCH} from mlpipes_values")
        values = cursor.fetchall()
        if not values:
            break
        bad = [(row, value, rows) for value, rows, row in values if matches(value) is None]
        wrong += sum(rows for *_, rows in bad)
        first = heapq.nsmallest(examples, first + [(row, value) for row, value, _ in bad])
    cursor.execute("close mlpipes_values")
    return wrong, [value for _, value in first]
