"""Brings rows with a key from a staging table into a raw table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlpipes_cli.ports.data_sets.datasets import LOAD, ROW, KeyProblem, TableColumn

_SHOWN = 5  # rows that are named


class Merge:
    """Rows of a staging table, and the table that they come into.

    Args:
        cursor: In a transaction.
        columns: The columns of both tables.
        key: The columns that identify a row.
        table: The raw table.
        new: The staging table.
    """

    def __init__(
        self, cursor: Any, columns: Sequence[TableColumn], key: Sequence[str], table: Any, new: Any
    ) -> None:
        self._cursor, self._key = cursor, list(key)
        self._values = [column.name for column in columns if column.name not in key]
        self._all = [*(column.name for column in columns), LOAD, ROW]
        self._table, self._new = table, new

    def check(self) -> None:
        """Check that every staged row has a key of its own.

        Raises:
            KeyProblem: One has none, or two have the same.
        """
        from psycopg2 import sql

        keys = self._names("", self._key)
        empty = sql.SQL(" or ").join(sql.SQL("{} is null").format(sql.Identifier(name)) for name in self._key)
        row = sql.Identifier(ROW)
        first = sql.SQL("(select min({}) from {})").format(row, self._new)
        found = self._one(
            sql.SQL("select count(*), (array_agg({} - {} order by {}))[:{}] from {} where {}").format(
                row, first, row, sql.Literal(_SHOWN), self._new, empty
            )
        )
        if found is not None and found[0]:
            few = "a row has" if found[0] == 1 else f"{found[0]:,} rows have"
            raise KeyProblem(f"{few} no key ({', '.join(self._key)} is missing)", found[1])
        twice = self._one(
            sql.SQL(
                "select {}, (array_agg({} - {} order by {}))[:{}], count(*), count(*) over () from {}"
                " group by {} having count(*) > 1 order by min({}) limit 1"
            ).format(keys, row, first, row, sql.Literal(_SHOWN), self._new, keys, row)
        )
        if twice is not None:
            *key, rows, number, others = twice
            values = ", ".join(f"{name} = {value!r}" for name, value in zip(self._key, key, strict=True))
            more = f"; {others:,} keys are in several rows" if others > 1 else ""
            raise KeyProblem(f"{number} rows have the same key ({values}){more}", rows)

    def append(self) -> tuple[int, int, int]:
        """Add the rows of unknown keys; return how many were added, updated and left.

        Raises:
            KeyProblem: A row of a known key has other values.
        """
        from psycopg2 import sql

        same = self._same()
        if self._values:
            key = self._one(
                sql.SQL("select {} from {} n join {} t on {} where {} limit 1").format(
                    self._names("n", self._key), self._new, self._table, same, self._differs()
                )
            )
            if key is not None:
                values = ", ".join(f"{name} = {value!r}" for name, value in zip(self._key, key, strict=True))
                raise KeyProblem(
                    f"the row {values} is in the table with other values; `mode: merge` updates it"
                )
        left = self._count(sql.SQL("from {} n join {} t on {}").format(self._new, self._table, same))
        return self._insert(), 0, left

    def merge(self) -> tuple[int, int, int]:
        """Update the rows of known keys and add the others; return how many were added, updated and left."""
        from psycopg2 import sql

        same = self._same()
        known = self._count(sql.SQL("from {} n join {} t on {}").format(self._new, self._table, same))
        updated = 0
        if self._values:
            names = [*self._values, LOAD]
            changes = sql.SQL(", ").join(
                sql.SQL("{} = n.{}").format(sql.Identifier(name), sql.Identifier(name)) for name in names
            )
            self._cursor.execute(
                sql.SQL("update {} t set {} from {} n where {} and {}").format(
                    self._table, changes, self._new, same, self._differs()
                )
            )
            updated = int(self._cursor.rowcount)
        return self._insert(), updated, known - updated

    def _insert(self) -> int:
        from psycopg2 import sql

        self._cursor.execute(
            sql.SQL("insert into {} ({}) select {} from {} n where not exists (select 1 from {} t where {})"
                    " order by n.{}").format(
                self._table, self._names("", self._all), self._names("n", self._all), self._new, self._table,
                self._same(), sql.Identifier(ROW),
            )
        )  # fmt: skip
        return int(self._cursor.rowcount)

    def _same(self) -> Any:
        from psycopg2 import sql

        return sql.SQL(" and ").join(
            sql.SQL("n.{} = t.{}").format(sql.Identifier(name), sql.Identifier(name)) for name in self._key
        )

    def _differs(self) -> Any:
        from psycopg2 import sql

        return sql.SQL("({}) is distinct from ({})").format(self._row("n"), self._row("t"))

    def _row(self, alias: str) -> Any:
        from psycopg2 import sql

        return sql.SQL("row({})").format(self._names(alias, self._values))

    def _names(self, alias: str, names: Sequence[str]) -> Any:
        from psycopg2 import sql

        made = [sql.Identifier(alias, name) if alias else sql.Identifier(name) for name in names]
        return sql.SQL(", ").join(made)

    def _one(self, statement: Any) -> tuple[Any, ...] | None:
        self._cursor.execute(statement)
        found: tuple[Any, ...] | None = self._cursor.fetchone()
        return found

    def _count(self, rest: Any) -> int:
        from psycopg2 import sql

        self._cursor.execute(sql.SQL("select count(*) {}").format(rest))
        return int(self._cursor.fetchone()[0])
