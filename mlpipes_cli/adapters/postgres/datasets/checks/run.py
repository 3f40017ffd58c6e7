"""Runs all checks of a raw table on one snapshot of it.

One pass over the table counts the wrong rows of all checks of single columns. Examples are read by a second
statement, and only for a check that fails.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg2 import sql

from mlpipes_cli.adapters.postgres.datasets import user_sql
from mlpipes_cli.adapters.postgres.datasets.checks import patterns
from mlpipes_cli.adapters.postgres.datasets.checks.expectations import (
    RowCheck,
    row_checks,
    stored_column,
    type_checks,
)
from mlpipes_cli.adapters.postgres.datasets.loaded_table import LoadedTable
from mlpipes_cli.adapters.postgres.datasets.sql_errors import located
from mlpipes_cli.config.dataset.checks import Check
from mlpipes_cli.config.dataset.config import DatasetConfig
from mlpipes_cli.config.yaml_source import Location, YamlSource
from mlpipes_cli.errors import ConfigError
from mlpipes_cli.ports.data_sets.datasets import CheckResult

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

EXAMPLES = 5
_CHUNK = 400  # counts in a statement; PostgreSQL returns at most 1,664 columns


@dataclass
class Checks:
    """The checks of a data set.

    Attributes:
        cursor: Of a read-only transaction.
        table: The raw table.
        config: What is expected.
        source: The file.
        say: Told what is checked.
    """

    cursor: Cursor
    table: LoadedTable
    config: DatasetConfig
    source: YamlSource
    say: Callable[[str], None]

    def run(self) -> Iterator[CheckResult]:
        """Yield a result for each check.

        Raises:
            ConfigError: A check names an unknown column, or its SQL is wrong.
            MlpipesError: A statement fails.
        """
        types = self.table.types
        rows = row_checks(self.config, types, self.source)
        for column, settings in self.config.columns.items():
            kind = types.get(self.config.stored_name(column), "text")
            if settings.pattern is not None and kind != "text":
                message = f"`pattern` is for text, and the column has the type {kind}"
                raise ConfigError([self.source.problem(("columns", column, "pattern"), message)])
        yield from type_checks(self.config, types)
        self.say("columns")
        yield from self._columns(rows)
        yield from self._patterns()
        yield from self._unique_columns()
        kinds = {
            "rows": self._rows_bound, "unique": self._unique, "relation": self._relation, "sql": self._sql,
            "fresh": self._fresh,
        }  # fmt: skip
        for position, check in enumerate(self.config.checks):
            at: Location = ("checks", position, check.kind)
            self.say(check.name or check.kind)
            yield kinds[check.kind](check, at)

    def _columns(self, checks: Sequence[RowCheck]) -> Iterator[CheckResult]:
        for start in range(0, len(checks), _CHUNK):
            part = checks[start : start + _CHUNK]
            counts = [sql.SQL("count(*) filter (where {})").format(expectation.wrong) for expectation in part]
            statement = sql.SQL("select count(*), {} from {}").format(
                sql.SQL(", ").join(counts), self.table.name
            )
            with located(self.source, ("columns",), ours=True):
                total, *wrong = self._one(statement)
            for expectation, number in zip(part, wrong, strict=True):
                ok = number <= expectation.share * total
                yield self._judged(expectation, 0 if ok else number)

    def _judged(self, check: RowCheck, wrong: int) -> CheckResult:
        examples = self._rows(check.wrong, check.shown, check.location) if wrong else []
        return CheckResult(check.name, wrong == 0, wrong, examples)

    def _rows(self, wrong: sql.Composable, shown: Sequence[str], at: Location) -> list[dict[str, Any]]:
        columns = [sql.Identifier(name) for name in ("_row", *shown)]
        statement = sql.SQL("select {} from {} as input where {} order by _row limit {}").format(
            sql.SQL(", ").join(columns), self.table.name, wrong, sql.Literal(EXAMPLES)
        )
        with located(self.source, at):
            return self._all(statement)

    def _patterns(self) -> Iterator[CheckResult]:
        for column, settings in self.config.columns.items():
            if settings.pattern is None:
                continue
            name, at = self.config.stored_name(column), ("columns", column, "pattern")
            self.say(f"{name}: pattern")
            with located(self.source, at, ours=True):
                wrong, values = patterns.wrong_values(
                    self.cursor, self.table.name, name, settings.pattern, EXAMPLES
                )
            condition = sql.SQL("{} = any({}::text[])").format(sql.Identifier(name), sql.Literal(values))
            check = RowCheck(f"{name}: pattern {settings.pattern}", at, condition, (name,))
            yield self._judged(check, wrong)

    def _unique_columns(self) -> Iterator[CheckResult]:
        types = self.table.types
        if self.config.key is not None:
            key = [stored_column(self.config, name, types, self.source, ("key",)) for name in self.config.key]
            gap = sql.SQL(" or ").join(sql.SQL("{} is null").format(sql.Identifier(name)) for name in key)
            yield self._twice(f"key {', '.join(key)}", key, ("key",), gap)
        for column, settings in self.config.columns.items():
            if settings.unique and (self.config.key or ()) != (column,):
                name = self.config.stored_name(column)
                yield self._twice(f"{name}: unique", [name], ("columns", column, "unique"))

    def _twice(
        self, name: str, columns: Sequence[str], at: Location, gap: sql.Composable | None = None
    ) -> CheckResult:
        """Check that no values stand in two rows, and with ``gap`` that none is missing."""
        self.say(name)
        names = sql.SQL(", ").join(map(sql.Identifier, columns))
        whole = sql.SQL(" and ").join(sql.SQL("{} is not null").format(sql.Identifier(c)) for c in columns)
        groups = sql.SQL(
            "select {names}, count(*) as n, min(_row) as first from {table} where {whole}"
            " group by {names} having count(*) > 1"
        ).format(names=names, table=self.table.name, whole=whole)
        with located(self.source, at, ours=True):
            wrong = self._one(sql.SQL("select coalesce(sum(n), 0)::bigint from ({}) g").format(groups))[0]
            missing = 0
            if gap is not None:
                count = sql.SQL("select count(*) from {} where {}").format(self.table.name, gap)
                missing = self._one(count)[0]
            examples = self._same(names, columns, groups) if wrong else []
        if missing:
            examples += self._rows(gap or sql.SQL("false"), columns, at)
        return CheckResult(name, wrong + missing == 0, wrong + missing, examples[:EXAMPLES])

    def _same(
        self, names: sql.Composable, columns: Sequence[str], groups: sql.Composable
    ) -> list[dict[str, Any]]:
        shown = sql.SQL(", ").join(sql.SQL("t.{}").format(sql.Identifier(name)) for name in columns)
        statement = sql.SQL(
            "with few as (select * from ({groups}) g order by first limit {limit})"
            " select t._row, {shown} from {table} t join few using ({names})"
            " order by few.first, t._row limit {limit}"
        )
        return self._all(
            statement.format(
                groups=groups, shown=shown, table=self.table.name, names=names, limit=sql.Literal(EXAMPLES)
            )
        )

    def _unique(self, check: Check, at: Location) -> CheckResult:
        assert check.unique is not None
        types = self.table.types
        columns = [stored_column(self.config, name, types, self.source, at) for name in check.unique]
        return self._twice(check.name or f"unique {', '.join(columns)}", columns, at)

    def _rows_bound(self, check: Check, at: Location) -> CheckResult:
        assert check.rows is not None
        with located(self.source, at, ours=True):
            rows = self._one(sql.SQL("select count(*) from {}").format(self.table.name))[0]
        least, most = check.rows.min, check.rows.max
        ok = (least is None or rows >= least) and (most is None or rows <= most)
        bounds = [f"{key} {bound}" for key, bound in (("min", least), ("max", most)) if bound is not None]
        name = check.name or f"rows: {', '.join(bounds)}"
        return CheckResult(name, ok, int(not ok), () if ok else ({"rows": rows},))

    def _relation(self, check: Check, at: Location) -> CheckResult:
        assert check.relation is not None
        planned = user_sql.expression(self.cursor, check.relation, self.table.columns, self.source, at)
        if planned.type != "boolean":
            message = f"expected a condition, and the expression has the type {planned.type}"
            raise ConfigError([self.source.problem(at, message)])
        wrong = sql.SQL("not ({})").format(user_sql.enclosed(check.relation))
        statement = sql.SQL("select count(*) from {} as input where {}").format(self.table.name, wrong)
        with located(self.source, at):
            number = self._one(statement)[0]
        used = [column.name for column in self.table.columns if _mentions(check.relation, column.name)]
        row_check = RowCheck(check.name or f"relation: {_short(check.relation)}", at, wrong, used)
        return self._judged(row_check, number)

    def _sql(self, check: Check, at: Location) -> CheckResult:
        assert check.sql is not None
        with located(self.source, at, known=self.table.types):
            user_sql.plan(self.cursor, check.sql, None)
            rows = user_sql.enclosed(check.sql)
            number = self._one(sql.SQL("select count(*) from ({}) as wrong").format(rows))[0]
            examples: list[dict[str, Any]] = []
            if number:
                few = sql.SQL("select * from ({}) as wrong limit {}").format(rows, sql.Literal(EXAMPLES))
                examples = self._all(few)
        return CheckResult(check.name or f"sql: {_short(check.sql)}", number == 0, number, examples)

    def _fresh(self, check: Check, at: Location) -> CheckResult:
        assert check.fresh is not None
        types = self.table.types
        name = stored_column(self.config, check.fresh.column, types, self.source, (*at, "column"))
        if types[name] not in {"date", "datetime"}:
            message = f"expected a column of dates or moments; {name!r} has the type {types[name]}"
            raise ConfigError([self.source.problem((*at, "column"), message)])
        statement = sql.SQL(
            "select max({it})::text, coalesce((now() at time zone 'UTC') - max({it}) <= {within}, false)"
            " from {table}"
        ).format(it=sql.Identifier(name), within=sql.Literal(check.fresh.within), table=self.table.name)
        with located(self.source, at, ours=True):
            newest, ok = self._one(statement)
        within = str(check.fresh.within).removesuffix(", 0:00:00")  # 7 days, or 12:00:00
        title = check.name or f"fresh: {name} within {within}"
        return CheckResult(title, ok, int(not ok), () if ok else ({"newest": newest},))

    def _one(self, statement: sql.Composable) -> tuple[Any, ...]:
        self.cursor.execute(statement)
        found = self.cursor.fetchone()
        assert found is not None
        return found

    def _all(self, statement: sql.Composable) -> list[dict[str, Any]]:
        self.cursor.execute(statement)
        names = [column.name for column in self.cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in self.cursor.fetchall()]


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= 60 else f"{plain[:57]}..."


def _mentions(text: str, name: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE) is not None
