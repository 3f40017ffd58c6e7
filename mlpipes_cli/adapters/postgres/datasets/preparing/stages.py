"""Temporary tables that hold the rows between steps.

Statements with a user's SQL in it run in read-only transactions, in which PostgreSQL lets nobody write but to
temporary tables. So a table is made first, and filled in a transaction of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from psycopg2 import sql

from mlpipes_cli.adapters.postgres.datasets.preparing.relation import Relation
from mlpipes_cli.adapters.postgres.datasets.transactions import transaction
from mlpipes_cli.ports.data_sets.datasets import SQL_TYPES

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor


@dataclass
class Stages:
    """The temporary tables of one preparation.

    Attributes:
        connection: In autocommit mode; its end removes the tables.
        made: How many were made.
    """

    connection: Connection
    made: int = 0

    def store(self, rows: Relation) -> Relation:
        """Run a relation's query once; return the relation of the table that holds its rows.

        Raises:
            psycopg2.Error: The server refuses it.
        """
        before = self.made
        name = self.create(rows)
        with transaction(self.connection, read_only=True) as cursor:
            names = sql.SQL(", ").join(map(sql.Identifier, (*rows.types, *rows.added)))
            cursor.execute(
                sql.SQL("insert into {} ({}) select {} from ({}) as input").format(
                    name, names, names, rows.query
                )
            )
        self.drop(before)
        return self.stored(rows, name)

    def stored(self, rows: Relation, name: sql.Composable) -> Relation:
        """Return the relation of a table that holds the rows."""
        names = sql.SQL(", ").join(map(sql.Identifier, (*rows.types, *rows.added)))
        query = sql.SQL("select {} from {}").format(names, name)
        return replace(rows, query=query, foreign=False, dear=False)

    def create(self, rows: Relation) -> sql.Composable:
        """Make an empty table for the rows; return its name."""
        self.made += 1
        name = sql.Identifier("pg_temp", f"mlpipes_stage_{self.made}")
        kinds = {**{name: SQL_TYPES[kind] for name, kind in rows.types.items()}, "_row": "bigint"}
        if rows.split:
            kinds["_split"] = "text"
        columns = [sql.SQL(f"{{}} {kind}").format(sql.Identifier(column)) for column, kind in kinds.items()]
        with self.connection.cursor() as cursor:
            self._execute(
                cursor,
                sql.SQL("create temp table {} ({})").format(
                    sql.Identifier(f"mlpipes_stage_{self.made}"), sql.SQL(", ").join(columns)
                ),
            )
        return name

    def drop(self, number: int) -> None:
        """Remove a table that is not needed any more."""
        if number:
            with self.connection.cursor() as cursor:
                self._execute(
                    cursor,
                    sql.SQL("drop table if exists {}").format(
                        sql.Identifier("pg_temp", f"mlpipes_stage_{number}")
                    ),
                )

    @staticmethod
    def _execute(cursor: Cursor, statement: sql.Composable) -> None:
        cursor.execute(statement)
