"""Steps that learn nothing, each as a query over the rows that the step before leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from psycopg2 import sql

from mlpipes_cli.adapters.postgres.datasets import user_sql
from mlpipes_cli.adapters.postgres.datasets.preparing import casts
from mlpipes_cli.adapters.postgres.datasets.preparing.relation import Relation, content
from mlpipes_cli.config.dataset.split import PARTS
from mlpipes_cli.config.dataset.steps import Step
from mlpipes_cli.config.yaml_source import Location, YamlSource
from mlpipes_cli.errors import ConfigError
from mlpipes_cli.ports.data_sets.datasets import ROW, SPLIT, TableColumn

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor


@dataclass(frozen=True)
class Steps:
    """Adds steps to a relation.

    Attributes:
        cursor: Of a read-only transaction, for what users write.
        source: The file.
    """

    cursor: Cursor
    source: YamlSource

    def add(self, before: Relation, step: Step, position: int, text: str | None = None) -> Relation:
        """Return the rows after the step.

        Args:
            before: The rows before it.
            step: Any but ``fill``, ``clip`` and ``function``.
            position: Its position in ``clean``.
            text: The query of an ``sql`` step.

        Raises:
            ConfigError: It names an unknown column, or its SQL is wrong.
        """
        at: Location = ("clean", position, step.kind)
        if step.rename is not None:
            after = self._rename(before, step.rename, at)
        elif step.cast is not None:
            after = self._cast(before, step.cast, position, at)
        elif step.drop is not None:
            after = self._drop(before, step.drop, at)
        elif step.where is not None:
            after = self._where(before, step.where, at)
        elif step.derive is not None:
            after = self._derive(before, step.derive, at)
        elif step.deduplicate is not None:
            after = self._deduplicate(before, step.deduplicate, at)
        else:
            assert text is not None
            after = self._sql(before, text, at)
        return replace(after, last=at)

    def _rename(self, before: Relation, names: Mapping[str, str], at: Location) -> Relation:
        for old in names:
            before.column(old, self.source, (*at, old))
        columns = [TableColumn(names.get(column.name, column.name), column.type) for column in before.columns]
        there = [column.name for column in columns]
        for old, new in names.items():
            if there.count(new) > 1:
                message = f"two columns get the name {new!r}"
                raise ConfigError([self.source.problem((*at, old), message)])
        values = {new: sql.Identifier(old) for old, new in names.items()}
        after = before.selected(values, columns)
        if before.key is None:
            return after
        return replace(after, key={raw: names.get(now, now) for raw, now in before.key.items()})

    def _cast(self, before: Relation, types: Mapping[str, str], position: int, at: Location) -> Relation:
        values = {}
        for index, (name, new) in enumerate(types.items()):
            old = before.column(name, self.source, (*at, name)).type
            value = casts.cast(name, old, new, position, index)
            if value is None:
                message = f"a value of the type {old} cannot become one of the type {new}"
                raise ConfigError([self.source.problem((*at, name), message)])
            values[name] = value
        columns = [TableColumn(column.name, types.get(column.name, column.type)) for column in before.columns]
        return before.selected(values, columns)

    def _drop(self, before: Relation, names: tuple[str, ...], at: Location) -> Relation:
        for name in names:
            before.column(name, self.source, at)
        columns = [column for column in before.columns if column.name not in names]
        if not columns:
            raise ConfigError([self.source.problem(at, "no column is left")])
        gone = before.key is not None and any(now in names for now in before.key.values())
        return replace(before.selected({}, columns), key=None if gone else before.key)

    def _where(self, before: Relation, text: str, at: Location) -> Relation:
        planned = user_sql.expression(self.cursor, text, before.columns, self.source, at)
        if planned.type != "boolean":
            message = f"expected a condition, and the expression has the type {planned.type}"
            raise ConfigError([self.source.problem(at, message)])
        query = sql.SQL("select * from ({}) as input where ({})").format(
            before.query, user_sql.enclosed(text)
        )
        return replace(before, query=query, foreign=True)

    def _derive(self, before: Relation, texts: Mapping[str, str], at: Location) -> Relation:
        values, columns = {}, list(before.columns)
        for name, text in texts.items():
            if name in before.types:
                message = f"there is a column {name!r} already; choose another name"
                raise ConfigError([self.source.problem((*at, name), message)])
            planned = user_sql.expression(self.cursor, text, before.columns, self.source, (*at, name))
            values[name] = planned.of(sql.SQL("({})").format(user_sql.enclosed(text)))
            columns.append(TableColumn(name, planned.type))
        return replace(before.selected(values, columns), foreign=True)

    def _deduplicate(self, before: Relation, names: str | tuple[str, ...], at: Location) -> Relation:
        chosen = tuple(before.types) if isinstance(names, str) else names
        for name in chosen:
            before.column(name, self.source, at)
        same = content(chosen) if isinstance(names, str) else sql.SQL(", ").join(map(sql.Identifier, chosen))
        shown = sql.SQL(", ").join(map(sql.Identifier, (*before.types, *before.added)))
        query = sql.SQL(
            "select {shown} from (select *, row_number() over (partition by {same} order by {row} desc)"
            " as _copy from ({query}) as input) as copies where _copy = 1"
        ).format(shown=shown, same=same, row=sql.Identifier(ROW), query=before.query)
        return replace(before, query=query, dear=True)

    def _sql(self, before: Relation, text: str, at: Location) -> Relation:
        planned = user_sql.query(self.cursor, text, before.query, self.source, at, before.types)
        names = [column.name for column in planned]
        if repeated := {name for name in names if names.count(name) > 1}:
            message = f"the query returns duplicate column names: {', '.join(sorted(repeated))}"
            raise ConfigError([self.source.problem(at, message)])
        columns = [column for column in planned if column.name not in {ROW, SPLIT}]
        if reserved := [column.name for column in columns if column.name.startswith("_")]:
            message = f"the query returns {reserved[0]!r}; names that begin with '_' are reserved"
            raise ConfigError([self.source.problem(at, message)])
        if not columns:
            raise ConfigError([self.source.problem(at, "the query returns no column")])
        numbered = any(column.name == ROW and column.type == "integer" for column in planned)
        rows = sql.SQL(" union all ").join(
            self._of_part(before, text, part) for part in (PARTS if before.split else (None,))
        )
        items: list[sql.Composable] = [
            sql.SQL("{} as {}").format(column.of(sql.Identifier(column.name)), sql.Identifier(column.name))
            for column in columns
        ]
        if before.split:
            items.append(sql.Identifier(SPLIT))
        order: list[sql.Composable] = [sql.Identifier(ROW)] if numbered else []
        order.append(content([column.name for column in columns]))
        query = sql.SQL(
            "select {items}, row_number() over (order by {order}) as {row} from ({rows}) as found"
        ).format(
            items=sql.SQL(", ").join(items),
            order=sql.SQL(", ").join(order),
            row=sql.Identifier(ROW),
            rows=rows,
        )
        key = before.key
        if key is not None and any(now not in names for now in key.values()):
            key = None
        kept = tuple(TableColumn(column.name, column.type) for column in columns)
        return Relation(query, kept, key, before.split, foreign=True, dear=True)

    def _of_part(self, before: Relation, text: str, part: str | None) -> sql.Composable:
        """Return the query over all rows, or over those of a part alone."""
        inside = user_sql.enclosed(text)
        if part is None:
            return sql.SQL("(with input as ({}) select * from ({}) as one)").format(before.query, inside)
        given = sql.SQL("select {} from ({}) as whole where {} = {}").format(
            sql.SQL(", ").join(map(sql.Identifier, (*before.types, ROW))),
            before.query, sql.Identifier(SPLIT), sql.Literal(part),
        )  # fmt: skip
        return sql.SQL("(with input as ({}) select one.*, {}::text as {} from ({}) as one)").format(
            given, sql.Literal(part), sql.Identifier(SPLIT), inside
        )
