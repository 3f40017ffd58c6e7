"""One statement that gives rows, run where it can change nothing.

psycopg2 sends a text as it is, and a server runs all statements that are in it. So the text goes to the
server as a value, and a cursor is opened on it: PostgreSQL plans it as one statement that gives rows, or
refuses it, and no statement of a cursor can end or begin a transaction. Whatever a function of the query
did that a read-only transaction lets pass is undone with the transaction, which never ends well.
"""

from __future__ import annotations

from typing import Any

SECONDS = 1800  # the longest that the rows may take to come
_LOCK_SECONDS = 60
_CURSOR = "mlpipes_rows"
# A cursor is planned for its first rows, unless this says that all of them are wanted.
_SETTINGS = (
    f"set local statement_timeout = '{SECONDS}s'; set local lock_timeout = '{_LOCK_SECONDS}s';"
    " set local cursor_tuple_fraction = 1.0"
)
_OPEN = f"""
do $mlpipes$
declare found refcursor := '{_CURSOR}';
begin
  open found no scroll for execute current_setting('mlpipes.query');
end
$mlpipes$
"""


class NotOneSelect(Exception):
    """The text is no statement that gives rows, or more than one; it was not run."""


def select(connection: Any, statement: Any) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The names of the columns and the rows.

    Args:
        connection: One of psycopg2's that has no transaction open; at the end it has none.
        statement: Text, or a composed statement of psycopg2's.

    Raises:
        NotOneSelect: It is something else than one statement that gives rows.
        psycopg2.Error: The server refuses it, or it takes too long.
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
                cursor.execute(_OPEN)
            except psycopg2.errors.InvalidCursorDefinition:
                raise NotOneSelect from None
            cursor.execute(f"fetch all from {_CURSOR}")
            columns = [column.name for column in cursor.description or ()]
            return columns, cursor.fetchall() if columns else []
    finally:
        if not connection.closed:
            connection.rollback()
