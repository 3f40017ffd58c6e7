"""Runs one statement that returns rows and can change nothing.

psycopg2 sends a text unchanged, and a server runs all statements in it. So the text goes to the server as a
value, and a cursor is opened on it: PostgreSQL plans it as one statement that returns rows, or refuses it,
and a cursor's statement cannot end or begin a transaction. The transaction is always rolled back, which
undoes any effect of a function that a read-only transaction permits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

SECONDS = 1800  # timeout for reading all rows
_LOCK_SECONDS = 60
_CURSOR = "mlpipes_rows"
# PostgreSQL plans a cursor for its first rows unless this setting requests a plan for all of them.
_SETTINGS = (
    f"set local statement_timeout = '{SECONDS}s'; set local lock_timeout = '{_LOCK_SECONDS}s';"
    " set local cursor_tuple_fraction = 1.0"
)


class NotOneSelect(Exception):
    """The text is not exactly one statement that returns rows; it was not run."""


def opening(cursor: str) -> str:
    """Return the statement that opens a cursor on the one statement in the setting ``mlpipes.query``.

    Args:
        cursor: The cursor's name.
    """
    return f"""
do $mlpipes$
declare found refcursor := '{cursor}';
begin
  open found no scroll for execute current_setting('mlpipes.query');
end
$mlpipes$
"""


def select(connection: Any, statement: Any) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Run a statement; return the names of the columns and the rows.

    Args:
        connection: A psycopg2 connection without an open transaction; it has none afterwards either.
        statement: Text, or a composed psycopg2 statement.

    Raises:
        NotOneSelect: The text is not exactly one statement that returns rows.
        psycopg2.Error: The server refuses the statement, or it exceeds the timeout.
    """
    for columns, rows in stream(connection, statement, None):
        return columns, rows
    return [], []


def stream(
    connection: Any, statement: Any, size: int | None
) -> Iterator[tuple[list[str], list[tuple[Any, ...]]]]:
    """Run a statement as :func:`select` does; yield the names of the columns with some rows at a time.

    Args:
        connection: A psycopg2 connection without an open transaction.
        statement: Text, or a composed psycopg2 statement.
        size: How many rows at a time; None for all at once.

    Raises:
        NotOneSelect: The text is not exactly one statement that returns rows.
        psycopg2.Error: The server refuses the statement, or it exceeds the timeout.
    """
    import psycopg2

    connection.set_session(readonly=True, autocommit=False)
    try:
        with connection.cursor() as cursor:
            text = statement if isinstance(statement, str) else statement.as_string(cursor)
            if "\0" in text:
                raise NotOneSelect
            cursor.execute(_SETTINGS)
            cursor.execute("select set_config('mlpipes.query', %s, true)", (text,))
            try:
                cursor.execute(opening(_CURSOR))
            except psycopg2.errors.InvalidCursorDefinition:
                raise NotOneSelect from None
            first = True
            while True:
                cursor.execute(f"fetch {'all' if size is None else int(size)} from {_CURSOR}")
                columns = [column.name for column in cursor.description or ()]
                rows = cursor.fetchall() if columns else []
                if rows or first:
                    yield columns, rows
                if size is None or len(rows) < size:
                    return
                first = False
    finally:
        if not connection.closed:
            connection.rollback()
