"""The raw tables of data sets, loaded by COPY in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mlpipes_cli.adapters.postgres.datasets import load_records, session
from mlpipes_cli.adapters.postgres.datasets.copying import RowStream
from mlpipes_cli.adapters.postgres.datasets.merging import Merge
from mlpipes_cli.ports.data_sets.datasets import (
    LOAD,
    ROW,
    SQL_TYPES,
    BadRow,
    Changes,
    LoadRecord,
    TableColumn,
)

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

SCHEMA = "raw_data"
_TYPES = {"timestamp without time zone": "datetime"} | {
    sql: name for name, sql in SQL_TYPES.items() if name != "datetime"
}


@contextmanager
def loading(url: str, dataset: str, waiting: Callable[[str], None]) -> Iterator[PostgresRawTable]:
    """Yield the raw table of a data set, for this process alone until the context ends.

    Raises:
        MlpipesError: The database does not answer, or refuses; nothing was changed.
    """
    with session.changing(url, dataset, waiting) as connection:
        yield PostgresRawTable(connection, dataset)


class PostgresRawTable:
    """Keeps :class:`~mlpipes_cli.ports.data_sets.datasets.RawTable` in PostgreSQL."""

    def __init__(self, connection: Connection, dataset: str) -> None:
        self._connection, self._dataset = connection, dataset
        with connection.cursor() as cursor:
            self.loads: Sequence[LoadRecord] = load_records.loads(cursor, dataset)
            self.columns: Sequence[TableColumn] | None = _columns(cursor, dataset)
        connection.commit()
        self._mode, self._key = "replace", tuple[str, ...]()
        self._new: tuple[TableColumn, ...] = ()
        self._target, self._load, self._first, self._copied = dataset, 0, 1, 0

    def begin(self, mode: str, columns: Sequence[TableColumn], key: Sequence[str]) -> int:
        from psycopg2 import sql

        self._connection.rollback()
        self._mode, self._new, self._key, self._copied = mode, tuple(columns), tuple(key), 0
        with self._connection.cursor() as cursor:
            cursor.execute(f"select nextval(pg_get_serial_sequence('{SCHEMA}._loads', 'id'))")
            self._load = int((cursor.fetchone() or (0,))[0])
            table, new = self._table(self._dataset), self._table(f"_{self._dataset}_new")
            cursor.execute(sql.SQL("drop table if exists {}").format(new))
            if self.columns is None or mode == "replace":
                self._mode, self._first, self._target = "replace", 1, f"_{self._dataset}_new"
                cursor.execute(sql.SQL("create table {} ({})").format(new, self._definition()))
                return self._load
            cursor.execute(sql.SQL("lock table {} in share row exclusive mode").format(table))
            cursor.execute(
                sql.SQL("select coalesce(max({}), 0) + 1 from {}").format(sql.Identifier(ROW), table)
            )
            self._first = int((cursor.fetchone() or (1,))[0])
            self._target = self._dataset
            if key:
                self._target = f"_{self._dataset}_new"
                cursor.execute(sql.SQL("create unlogged table {} ({})").format(new, self._definition()))
        return self._load

    def _definition(self) -> Any:
        from psycopg2 import sql

        columns = [(column.name, SQL_TYPES[column.type]) for column in self._new]
        columns += [(LOAD, "bigint not null"), (ROW, "bigint not null")]
        return sql.SQL(", ").join(
            sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind)) for name, kind in columns
        )

    def _table(self, name: str) -> Any:
        from psycopg2 import sql

        return sql.Identifier(SCHEMA, name)

    def copy(self, batches: Iterator[Sequence[Any]]) -> int:
        from psycopg2 import sql

        names = [*(column.name for column in self._new), LOAD, ROW]
        types = [column.type for column in self._new]
        with self._connection.cursor() as cursor:
            statement = sql.SQL("copy {} ({}) from stdin (format binary)").format(
                self._table(self._target), sql.SQL(", ").join(map(sql.Identifier, names))
            )
            with RowStream(batches, types, self._load, self._first + self._copied) as stream:
                stream.send(cursor, statement.as_string(cursor))
        self._copied += stream.rows
        return stream.rows

    def apply(self) -> Changes:
        from psycopg2 import sql

        table, new = self._table(self._dataset), self._table(self._target)
        with self._connection.cursor() as cursor:
            if self._mode == "replace":
                if self._key:
                    Merge(cursor, self._new, self._key, table, new).check()
                cursor.execute(sql.SQL("drop table if exists {}").format(table))
                cursor.execute(
                    sql.SQL("alter table {} rename to {}").format(new, sql.Identifier(self._dataset))
                )
                return Changes(rows=self._copied, added=self._copied)
            if not self._key:
                return Changes(rows=self._count(cursor, table), added=self._copied)
            merge = Merge(cursor, self._new, self._key, table, new)
            merge.check()
            added, updated, unchanged = merge.append() if self._mode == "append" else merge.merge()
            cursor.execute(sql.SQL("drop table {}").format(new))
            return Changes(self._count(cursor, table), added, updated, unchanged)

    def _count(self, cursor: Any, table: Any) -> int:
        from psycopg2 import sql

        cursor.execute(sql.SQL("select count(*) from {}").format(table))
        return int(cursor.fetchone()[0])

    def finish(self, record: LoadRecord, bad: Sequence[BadRow]) -> None:
        with self._connection.cursor() as cursor:
            load_records.add(cursor, record, bad)
        with session.committing():
            self._connection.commit()


def _columns(cursor: Any, dataset: str) -> list[TableColumn] | None:
    cursor.execute(
        "select column_name, data_type from information_schema.columns"
        " where table_schema = %s and table_name = %s order by ordinal_position",
        (SCHEMA, dataset),
    )
    found = [TableColumn(name, _TYPES.get(kind, kind)) for name, kind in cursor.fetchall()]
    return [column for column in found if column.name not in (LOAD, ROW)] if found else None
