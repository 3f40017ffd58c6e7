"""Holds a query of a database other than PostgreSQL to one statement that only reads.

Three things together keep the database as it is: the text is looked at before it is sent, the session is
opened so that it can only read where the database has such a session, and the transaction is rolled back.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.engine import URL

_BEGINS = {"select", "with", "values", "table", "from", "show", "describe", "desc"}
_WRITES = {"insert", "update", "delete", "merge", "into", "truncate", "drop", "alter", "create", "attach"}
_BACKSLASHED = {"mysql", "mariadb", "clickhouse", "bigquery", "databricks", "snowflake"}
_TOKEN = re.compile(
    r"""
    (?P<skip>\s+ | --[^\n]* | /\*(?!!).*?\*/)
    | (?P<quoted>"(?:[^"]|"")*" | `(?:[^`]|``)*`)
    | (?P<dollar>\$(?P<tag>[A-Za-z_]*)\$.*?\$(?P=tag)\$)
    | (?P<text>'(?:[^']|'')*')
    | (?P<word>[^\W\d]\w*)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPED = re.compile(r"""(?P<text>'(?:[^'\\]|''|\\.)*'|"(?:[^"\\]|""|\\.)*")""", re.DOTALL)
_SQLITE_READS = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
}


def reads(text: str, dialect: str) -> bool:
    """Return whether a text is one statement that returns rows and has no part that writes.

    Args:
        text: The statement, without a semicolon at its end.
        dialect: SQLAlchemy's name of the database; some have backslashes in texts.
    """
    words = list(_words(text, dialect in _BACKSLASHED))
    if ";" in words:
        return False
    plain = [word for word in words if word != "("]
    return bool(plain) and plain[0] in _BEGINS and not _WRITES & set(plain)


def _words(text: str, backslashed: bool) -> Iterator[str]:
    """Yield the unquoted words in lower case, opening brackets and semicolons; others end as they are."""
    at = 0
    while at < len(text):
        found = _ESCAPED.match(text, at) if backslashed else None
        found = found or _TOKEN.match(text, at)
        assert found is not None
        if found.lastgroup == "word":
            yield found["word"].lower()
        elif found.lastgroup == "other" and found["other"] in ";(":
            yield found["other"]
        elif text.startswith("/*!", at):
            yield ";"  # MySQL runs what is in such a comment
        at = found.end()


def engine(url: URL, base: Path) -> Engine:
    """Return an engine whose sessions can only read, where the database has such sessions.

    Args:
        url: The database; the path of an SQLite or DuckDB file may be relative.
        base: The folder that such a path starts at.
    """
    import sqlalchemy

    kind = url.get_backend_name()
    if kind in ("sqlite", "duckdb") and _is_file(url.database):
        url = url.set(database=str(base / Path(str(url.database)).expanduser()))
    if kind == "sqlite" and url.get_driver_name() == "pysqlite":
        return _sqlite(url)
    options: dict[str, Any] = {}
    if kind == "duckdb" and _is_file(url.database):
        options["connect_args"] = {"read_only": True}
    return sqlalchemy.create_engine(url, **options)


def _is_file(database: str | None) -> bool:
    return bool(database) and not str(database).startswith((":", "file:", "md:"))


def _sqlite(url: URL) -> Engine:
    import sqlalchemy
    from sqlalchemy import event

    if _is_file(url.database):
        query = {**url.query, "mode": "ro", "uri": "true"}
        url = url.set(database=f"file:{quote(str(url.database))}", query=query)
    made = sqlalchemy.create_engine(url)
    event.listen(made, "connect", lambda connection, _: connection.set_authorizer(_authorized))
    return made


def _authorized(action: int, *_: Any) -> int:
    return sqlite3.SQLITE_OK if action in _SQLITE_READS else sqlite3.SQLITE_DENY


def only_read(connection: Any) -> None:
    """Let the session of a server only read, where the server has such a setting."""
    name = connection.dialect.name
    if name in ("mysql", "mariadb"):
        connection.exec_driver_sql("set session transaction read only")
        connection.rollback()
    elif name == "oracle":
        connection.exec_driver_sql("set transaction read only")
