"""Gives each row its part, in the temporary table ``mlpipes_parts`` of ``_row`` and ``_split``.

The order of a random split is that of the MD5 of the seed and the key, or of the seed and the row's content.
It depends neither on where the server keeps the rows nor on its version.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg2 import sql

from mlpipes_cli.adapters.postgres.datasets.preparing import shares
from mlpipes_cli.adapters.postgres.datasets.preparing.relation import Relation, content
from mlpipes_cli.adapters.postgres.datasets.preparing.shares import parts_of
from mlpipes_cli.config.dataset.split import DatasetSplit
from mlpipes_cli.config.yaml_source import Location, YamlSource
from mlpipes_cli.errors import ConfigError, MlpipesError

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

PARTS = sql.Identifier("mlpipes_parts")
_STRATA = 1000  # most values of a column that rows are stratified by
_ORDERED = {"integer", "number", "date", "datetime"}
_EMPTY = """
create temp table if not exists mlpipes_parts (_row bigint, _split text);
create temp table if not exists mlpipes_order (_row bigint, h uuid, s text collate "C");
create temp table if not exists mlpipes_twins (s text collate "C", h uuid, part text);
truncate mlpipes_parts, mlpipes_order, mlpipes_twins;
"""
# Equal rows come first and go to a part together, by where their group begins among them.
_TWINS = """
insert into mlpipes_twins
select s, h, case when before < twins * test / rows then 'test'
    when before < twins * (test + validation) / rows then 'validation' else 'train' end
from (select s, h, n, sum(n) over (partition by s order by h) - n as before,
        sum(n) over (partition by s) as twins
      from (select s, h, count(*) as n from mlpipes_order group by s, h having count(*) > 1) g) t
join (values {quotas}) as q (s, rows, test, validation) using (s)
"""
# With equal rows among them, and without.
_ASSIGN = """
insert into mlpipes_parts
select _row, coalesce(part, case when place <= test then 'test'
    when place <= test + validation then 'validation' else 'train' end)
from (select o._row, o.s, t.part,
        row_number() over (partition by o.s, t.part is null order by o.h, o._row) as place
      from mlpipes_order o left join mlpipes_twins t on t.s = o.s and t.h = o.h) p
join (values {quotas}) as q (s, test, validation) using (s)
"""
_ASSIGN_SINGLES = """
insert into mlpipes_parts
select _row, case when place <= test then 'test'
    when place <= test + validation then 'validation' else 'train' end
from (select _row, s, row_number() over (partition by s order by h, _row) as place from mlpipes_order) p
join (values {quotas}) as q (s, test, validation) using (s)
"""


@dataclass
class Splitter:
    """Splits the rows of a relation.

    Attributes:
        cursor: Of a transaction that may write.
        rows: What is split: a temporary table.
        split: How.
        source: The file.
        note: Told what users should know.
    """

    cursor: Cursor
    rows: Relation
    split: DatasetSplit
    source: YamlSource
    note: Callable[[str], None]

    def run(self) -> int:
        """Fill ``mlpipes_parts``; return the number of rows.

        Raises:
            ConfigError: A column is unknown or has an unsuitable type.
            MlpipesError: The rows cannot be split so that each part has one.
        """
        check_columns(self.rows, self.split, self.source)
        self.cursor.execute(_EMPTY)
        total = self._one(sql.SQL("select count(*) from ({}) as input").format(self.rows.query))[0]
        numbers = parts_of(total, self.split.validation, self.split.test)
        self._check(numbers, total)
        if self.split.by is not None:
            self._by_time(self.split.by, numbers)
        elif self.split.group is not None:
            self._by_group(self.split.group, numbers)
        else:
            self._at_random(numbers)
        return int(total)

    def _check(self, numbers: dict[str, int], total: int) -> None:
        wanted = ("train", "test", *(["validation"] if self.split.validation else []))
        if empty := [part for part in wanted if not numbers.get(part)]:
            reason = self.source.problem(("split",), f"{total} rows leave the part {empty[0]!r} empty")
            raise MlpipesError(reason, "load more rows, or leave fewer out")

    def _at_random(self, numbers: dict[str, int]) -> None:
        self._order(self.split.stratify)
        strata = dict(self._all("select s, count(*) from mlpipes_order group by s"))
        if len(strata) > _STRATA:
            at: Location = ("split", "stratify")
            message = f"{self.split.stratify!r} has {len(strata)} values; the limit is {_STRATA}"
            raise ConfigError([self.source.problem(at, message)])
        test = shares.over_strata(strata, numbers["test"], {})
        validation = shares.over_strata(strata, numbers["validation"], test)
        if small := sorted(name for name in strata if self.split.stratify and test[name] == 0):
            shown = ", ".join(name.removeprefix("=") or "missing" for name in small[:5])
            self.note(f"values of {self.split.stratify!r} with too few rows for each part: {shown}")
        rows = [(name, strata[name], test[name], validation[name]) for name in sorted(strata)]
        self.cursor.execute(sql.SQL(_TWINS).format(quotas=_values(rows)))
        together = self._all(
            "select s, part, count(*) from mlpipes_order join mlpipes_twins using (s, h) group by 1, 2"
        )
        singles = {name: [test[name], validation[name], rows] for name, rows in strata.items()}
        for name, part, number in together:
            singles[name][2] -= number
            if part != "train":
                singles[name][part != "test"] -= number
        for name, (left_test, left_validation, rest) in singles.items():
            if left_test < 0 or left_validation < 0 or left_test + left_validation > rest:
                # Exact shares come first; then at most two groups of equal rows stand in two parts.
                self.cursor.execute("delete from mlpipes_twins where s = %s", (name,))
                singles[name] = [test[name], validation[name], strata[name]]
        quotas = [(name, *singles[name][:2]) for name in sorted(strata)]
        assign = _ASSIGN if together else _ASSIGN_SINGLES
        self.cursor.execute(sql.SQL(assign).format(quotas=_values(quotas)))

    def _order(self, stratify: str | None) -> None:
        stratum: sql.Composable = sql.SQL("''")
        if stratify is not None:
            name = self._column("stratify", stratify).name
            stratum = sql.SQL("coalesce('=' || {}::text, '')").format(sql.Identifier(name))
        statement = sql.SQL("insert into mlpipes_order select _row, {}, {} from ({}) as input").format(
            self._hash(), stratum, self.rows.query
        )
        self.cursor.execute(statement)

    def _hash(self) -> sql.Composable:
        key = self.rows.key
        if key is None:
            return content(list(self.rows.types), prefix=f"{self.split.seed}:")
        texts = [sql.SQL("{}::text").format(sql.Identifier(now)) for now in key.values()]
        return sql.SQL("md5(concat_ws(':', {}, {}))::uuid").format(
            sql.Literal(str(self.split.seed)), sql.SQL(", ").join(texts)
        )

    def _by_time(self, column: str, numbers: dict[str, int]) -> None:
        found = self._column("by", column)
        self._no_gaps(found.name, "by")
        it = sql.Identifier(found.name)
        ends = [numbers["train"], numbers["train"] + numbers["validation"]]
        statement = sql.SQL(
            "create temp table if not exists mlpipes_ends (at bigint); truncate mlpipes_ends;"
            "insert into mlpipes_ends"
            " select sum(count(*)) over (order by {it}) from ({rows}) as input group by {it};"
        )
        self.cursor.execute(statement.format(it=it, rows=self.rows.query))
        cuts = []
        for end in ends:  # rows of the same moment stay together
            self.cursor.execute("select at from mlpipes_ends order by abs(at - %s), at limit 1", (end,))
            cuts.append((self.cursor.fetchone() or (0,))[0])
        total = sum(numbers.values())
        numbers = {"train": cuts[0], "validation": cuts[1] - cuts[0], "test": total - cuts[1]}
        self._check(numbers, total)
        query = sql.SQL(
            "insert into mlpipes_parts select _row, case when place <= {train} then 'train'"
            " when place <= {validation} then 'validation' else 'test' end"
            " from (select _row, row_number() over (order by {it}) as place from ({rows}) as input) p"
        ).format(it=it, rows=self.rows.query, train=sql.Literal(cuts[0]), validation=sql.Literal(cuts[1]))
        self.cursor.execute(query)

    def _by_group(self, column: str, numbers: dict[str, int]) -> None:
        name = self._column("group", column).name
        it = sql.SQL("coalesce('=' || {}::text, '')").format(sql.Identifier(name))
        groups: list[tuple[str, int]] = self._all(
            sql.SQL(
                "select {it}, count(*) from ({rows}) as input group by 1 order by md5({seed} || {it})::uuid"
            ).format(it=it, rows=self.rows.query, seed=sql.Literal(f"{self.split.seed}:"))
        )
        if gaps := dict(groups).get("", 0):
            self.note(f"{gaps} rows without a value of {column!r} stay together, as one group")
        parts: dict[str, str] = {}
        left = list(groups)
        for part in ("test", "validation"):
            if numbers[part]:
                chosen = shares.choose_groups(left, numbers[part])
                parts.update(dict.fromkeys(chosen, part))
                left = [group for group in left if group[0] not in chosen]
        found = {part: sum(n for name, n in groups if parts.get(name, "train") == part) for part in numbers}
        if not all(found[part] for part in numbers if numbers[part]):
            reason = self.source.problem(
                ("split", "group"), f"{len(groups)} groups of {column!r} are too few for the parts"
            )
            raise MlpipesError(reason, "split at random, or by another column")
        self._fill_groups(it, parts)

    def _fill_groups(self, it: sql.Composable, parts: dict[str, str]) -> None:
        from psycopg2.extras import execute_values

        self.cursor.execute("create temp table if not exists mlpipes_groups (name text, part text)")
        self.cursor.execute("truncate mlpipes_groups")
        if parts:
            execute_values(
                self.cursor, "insert into mlpipes_groups values %s", list(parts.items()), page_size=10_000
            )
        statement = sql.SQL(
            "insert into mlpipes_parts select _row, coalesce(g.part, 'train')"
            " from (select _row, {it} as name from ({rows}) as input) i"
            " left join mlpipes_groups g using (name)"
        )
        self.cursor.execute(statement.format(it=it, rows=self.rows.query))

    def _no_gaps(self, name: str, key: str) -> None:
        gaps = self._one(
            sql.SQL("select count(*) from ({}) as input where {} is null").format(
                self.rows.query, sql.Identifier(name)
            )
        )[0]
        if gaps:
            reason = self.source.problem(("split", key), f"{gaps} rows have no value of {name!r}")
            raise MlpipesError(reason, f'leave them out before the split: - where: "{name} is not null"')

    def _column(self, key: str, column: str) -> Any:
        return self.rows.column(column, self.source, ("split", key))

    def _one(self, statement: sql.Composable) -> tuple[Any, ...]:
        self.cursor.execute(statement)
        found = self.cursor.fetchone()
        assert found is not None
        return found

    def _all(self, statement: sql.Composable | str) -> list[tuple[Any, ...]]:
        self.cursor.execute(statement)
        return self.cursor.fetchall()


def check_columns(rows: Relation, split: DatasetSplit, source: YamlSource) -> None:
    """Check the columns that a split names.

    Raises:
        ConfigError: One is unknown or has an unsuitable type.
    """
    for key in ("stratify", "by", "group"):
        name = getattr(split, key)
        if name is None:
            continue
        column = rows.column(name, source, ("split", key))
        if key == "by" and column.type not in _ORDERED:
            message = f"expected dates, moments or numbers; the column {name!r} has the type {column.type}"
            raise ConfigError([source.problem(("split", "by"), message)])


def _values(rows: list[tuple[Any, ...]]) -> sql.Composable:
    return sql.SQL(", ").join(
        sql.SQL("({})").format(sql.SQL(", ").join(map(sql.Literal, row))) for row in rows
    )
