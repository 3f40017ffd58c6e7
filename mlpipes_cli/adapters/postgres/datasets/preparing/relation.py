"""Rows on their way through the steps: a query that is not run yet, and its columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from psycopg2 import sql

from mlpipes_cli.config.yaml_source import Location, YamlSource
from mlpipes_cli.errors import ConfigError
from mlpipes_cli.ports.data_sets.datasets import ROW, SPLIT, TableColumn
from mlpipes_cli.suggest import did_you_mean


@dataclass(frozen=True)
class Relation:
    """A query.

    Attributes:
        query: Returns the columns, ``_row`` and, once the rows are split, ``_split``.
        columns: Its columns without those.
        key: Where the columns of the key are now, by their names in the raw table; None once one is gone.
        split: Whether the rows have been split.
        foreign: Whether SQL of the user's is in it, so that it may run in read-only transactions only.
        dear: Whether it costs much more than reading the rows, so that it should run once.
        last: The step that was added last.
    """

    query: sql.Composable
    columns: Sequence[TableColumn]
    key: Mapping[str, str] | None = None
    split: bool = False
    foreign: bool = False
    dear: bool = False
    last: Location = ("clean",)

    @property
    def types(self) -> dict[str, str]:
        """The type of each column."""
        return {column.name: column.type for column in self.columns}

    @property
    def added(self) -> tuple[str, ...]:
        """The columns of mlpipes."""
        return (ROW, SPLIT) if self.split else (ROW,)

    def column(self, name: str, source: YamlSource, location: Location) -> TableColumn:
        """Return a column.

        Raises:
            ConfigError: There is none of that name.
        """
        found = {column.name: column for column in self.columns}
        if name not in found:
            known = f"; there are {', '.join(found)}" if len(found) <= 8 else ""
            message = f"there is no column {name!r} at this step{did_you_mean(name, found) or known}"
            raise ConfigError([source.problem(location, message)])
        return found[name]

    def selected(
        self, values: Mapping[str, sql.Composable], columns: Sequence[TableColumn], rest: str = ""
    ) -> Relation:
        """Return a relation with other columns.

        Args:
            values: What new or changed columns hold, by name.
            columns: All columns; those without a value stay as they are.
            rest: What follows the ``from`` clause.
        """
        return replace(self, query=self.select(values, columns, rest), columns=tuple(columns))

    def select(
        self, values: Mapping[str, sql.Composable], columns: Sequence[TableColumn], rest: str = ""
    ) -> sql.Composable:
        """Return the query of :meth:`selected`."""
        items = [self._item(column.name, values) for column in columns] + list(
            map(sql.Identifier, self.added)
        )
        return sql.SQL("select {} from ({}) as input{}").format(
            sql.SQL(", ").join(items), self.query, sql.SQL(rest)
        )

    @staticmethod
    def _item(name: str, values: Mapping[str, sql.Composable]) -> sql.Composable:
        if name not in values:
            return sql.Identifier(name)
        return sql.SQL("{} as {}").format(values[name], sql.Identifier(name))


def content(columns: Sequence[str], prefix: str = "") -> sql.Composable:
    """Return the MD5 of the values of columns, as a uuid, which sorts as its bytes.

    The values are hashed as PostgreSQL sends them, in a form that has been the same since version 10.
    """
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    return sql.SQL("md5({}record_send(row({})))::uuid").format(
        sql.SQL(f"convert_to('{prefix}', 'UTF8') || " if prefix else ""), names
    )
