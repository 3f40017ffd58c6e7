"""Users' expressions and queries: each is exactly one, it only reads, and it cannot end before its place.

A text is put between brackets in a statement of ours only after PostgreSQL has planned it alone, as the query
of a cursor. An expression is planned twice, between round and between square brackets: no text can close both
kinds. It stands in a condition there, where aggregates, window functions and functions that return several
rows are refused: its value comes from its own row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg2 import sql

from mlpipes_cli.adapters.postgres.datasets.sql_errors import located
from mlpipes_cli.config.yaml_source import Location, YamlSource
from mlpipes_cli.data.origins.select_only import NotOneSelect, opening
from mlpipes_cli.errors import ConfigError
from mlpipes_cli.ports.data_sets.datasets import SQL_TYPES, TableColumn

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

_WITH = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*with(?:\s+(recursive))?(?=\W)", re.IGNORECASE | re.DOTALL)
_CURSOR = "mlpipes_planned"
# Types by their numbers in PostgreSQL's catalog, which never change, and how a column becomes the type.
_TYPES = {
    16: ("boolean", "{}"), 20: ("integer", "{}"), 21: ("integer", "{}::bigint"),
    23: ("integer", "{}::bigint"), 700: ("number", "{}::double precision"), 701: ("number", "{}"),
    1700: ("number", "{}::double precision"), 25: ("text", "{}"), 705: ("text", "{}::text"),
    19: ("text", "{}::text"), 1042: ("text", "{}::text"), 1043: ("text", "{}::text"),
    2950: ("text", "{}::text"), 1082: ("date", "{}"), 1114: ("datetime", "{}"),
    1184: ("datetime", "({} at time zone 'UTC')"),
}  # fmt: skip


@dataclass(frozen=True)
class Planned:
    """A column that users' SQL returns.

    Attributes:
        name: Its name.
        type: Its type, one of ours.
        cast: A template that makes it that type.
    """

    name: str
    type: str
    cast: str

    def of(self, value: sql.Composable) -> sql.Composable:
        """Return the value as the type."""
        return sql.SQL(self.cast).format(value)


def enclosed(text: str) -> sql.Composable:
    """Return the text for a place between brackets; a comment at its end ends there."""
    return sql.SQL(f"\n{text}\n")


def no_rows(columns: Sequence[TableColumn], *more: tuple[str, str]) -> sql.Composable:
    """Return a query of one row of missing values, with these columns."""
    typed = [(column.name, SQL_TYPES[column.type]) for column in columns] + list(more)
    values = [sql.SQL(f"null::{kind} as {{}}").format(sql.Identifier(name)) for name, kind in typed]
    return sql.SQL("select {}").format(sql.SQL(", ").join(values))


def expression(
    cursor: Cursor, text: str, columns: Sequence[TableColumn], source: YamlSource, location: Location
) -> Planned:
    """Check an expression over columns; return its type.

    Args:
        cursor: Of a read-only transaction.
        text: The expression.
        columns: What it may use.
        source: The file.
        location: Where the text stands.

    Raises:
        ConfigError: It is wrong, or its type is not one of a column.
    """
    row, inside = no_rows(columns, ("_row", "bigint")), enclosed(text)
    with located(source, location, known=[column.name for column in columns]):
        kind = "select ({e}) as value from ({row}) as input where ({e}) is not null"
        found = _plan(cursor, sql.SQL(kind).format(e=inside, row=row))
        alone = "select 1 from ({row}) as input where array[{e}] is not null"
        _plan(cursor, sql.SQL(alone).format(e=inside, row=row))
    return _typed(cursor, found, source, location, "the expression")[0]


def query(
    cursor: Cursor,
    text: str,
    given: sql.Composable | None,
    source: YamlSource,
    location: Location,
    known: Iterable[str] = (),
) -> list[Planned]:
    """Check a query; return its columns.

    Args:
        cursor: Of a read-only transaction.
        text: The query.
        given: What the table ``input`` is in it, or None.
        source: The file.
        location: Where the text stands.
        known: The columns of ``input``.

    Raises:
        ConfigError: It is wrong, or a column's type is not one of ours.
    """
    with located(source, location, known=known):
        return _typed(cursor, plan(cursor, text, given), source, location, "column")


def plan(cursor: Cursor, text: str, given: sql.Composable | None) -> list[tuple[str, int]]:
    """Plan a query, alone and where it will stand; return names and types of its columns.

    Raises:
        NotOneSelect: It is not one statement that returns rows.
        psycopg2.Error: The server refuses it.
    """
    _plan(cursor, _alone(text, given))
    before = sql.SQL("") if given is None else sql.SQL("with input as ({}) ").format(given)
    return _plan(cursor, sql.SQL("{}select * from ({}) as found").format(before, enclosed(text)))


def _alone(text: str, given: sql.Composable | None) -> sql.Composable:
    """Return a text by itself; one that begins with ``with`` gets ``input`` as its first table."""
    if given is None:
        return enclosed(text)
    found = _WITH.match(text)
    if found is None:
        return sql.SQL("with input as ({}) {}").format(given, enclosed(text))
    first = "with recursive input as ({}), {}" if found[1] else "with input as ({}), {}"
    return sql.SQL(first).format(given, enclosed(text[found.end() :]))


def _plan(cursor: Cursor, statement: sql.Composable) -> list[tuple[str, int]]:
    import psycopg2

    text = statement.as_string(cursor)
    if "\0" in text:
        raise NotOneSelect
    cursor.execute("savepoint planned")
    try:
        cursor.execute("select set_config('mlpipes.query', %s, true)", (text,))
        cursor.execute(opening(_CURSOR))
        cursor.execute(f"fetch 0 from {_CURSOR}")
        found = [(column.name, column.type_code) for column in cursor.description or ()]
        cursor.execute(f"close {_CURSOR}")
    except psycopg2.errors.InvalidCursorDefinition:
        cursor.execute("rollback to savepoint planned")
        raise NotOneSelect from None
    except psycopg2.Error:
        if not cursor.connection.closed:
            cursor.execute("rollback to savepoint planned")
        raise
    cursor.execute("release savepoint planned")
    return found


def _typed(
    cursor: Cursor, found: list[tuple[str, int]], source: YamlSource, location: Location, what: str
) -> list[Planned]:
    problems, columns = [], []
    for name, number in found:
        if number in _TYPES:
            columns.append(Planned(name, *_TYPES[number]))
            continue
        cursor.execute("select format_type(%s, null)", (number,))
        kind = (cursor.fetchone() or ("?",))[0]
        which = what if what == "the expression" else f"{what} {name!r}"
        message = f"{which} has the type {kind}, which no column can have; cast it, such as to text"
        problems.append(source.problem(location, message))
    if problems:
        raise ConfigError(problems)
    return columns
