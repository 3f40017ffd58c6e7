"""Compares two versions: which rows differ, and how the distribution of each column moved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from psycopg2 import sql

from mlpipes_cli.adapters.postgres.datasets import moments
from mlpipes_cli.adapters.postgres.datasets.preparing.relation import content
from mlpipes_cli.adapters.postgres.datasets.versions.publish import SCHEMA
from mlpipes_cli.ports.data_sets.dataset_changes import ColumnChange, RowChanges, Summary
from mlpipes_cli.ports.data_sets.datasets import SPLIT, DatasetVersion

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

EXAMPLES = 5
_TOP = 5
_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
_MEASURED = {"integer", "number"}


def _table(version: DatasetVersion) -> sql.Identifier:
    return sql.Identifier(SCHEMA, version.table or "")


def rows(cursor: Cursor, old: DatasetVersion, new: DatasetVersion, key: Sequence[str]) -> RowChanges:
    """Return how many rows were added, removed and changed.

    With a key, a row has changed if a column that both versions have differs, or its part does. Without one,
    rows are compared by their content: a row has changed if its part alone differs, and one with another
    value is one that was removed and one that was added.

    Args:
        cursor: Of a transaction.
        old: The earlier version.
        new: The later one.
        key: Columns that identify a row in both, or none.
    """
    common = [column.name for column in old.columns if column.name in {other.name for other in new.columns}]
    if not key:
        return _by_content(cursor, old, new, common)
    on = sql.SQL(" and ").join(sql.SQL("o.{0} = n.{0}").format(sql.Identifier(name)) for name in key)
    rest = [name for name in (*common, SPLIT) if name not in key]
    differs = [
        sql.SQL("o.{0} is distinct from n.{0}").format(sql.Identifier(name)) for name in rest
    ]  # a comparison of bigint with double precision is of numbers
    types = {column.name: column.type for column in old.columns}
    new_types = {column.name: column.type for column in new.columns}
    for position, name in enumerate(rest):
        if types.get(name) != new_types.get(name) and not {types.get(name), new_types.get(name)} <= _MEASURED:
            differs[position] = sql.SQL("o.{0}::text is distinct from n.{0}::text").format(
                sql.Identifier(name)
            )
    first = sql.Identifier(key[0])
    both = sql.SQL("o.{0} is not null and n.{0} is not null").format(first)
    statement = sql.SQL(
        "select count(*) filter (where o.{k} is null), count(*) filter (where n.{k} is null),"
        " count(*) filter (where {both} and ({any})), {each}"
        " from {old} o full join {new} n on {on}"
    ).format(
        k=first, both=both, any=sql.SQL(" or ").join(differs), old=_table(old), new=_table(new), on=on,
        each=sql.SQL(", ").join(
            sql.SQL("count(*) filter (where {} and {})").format(both, difference) for difference in differs
        ),
    )  # fmt: skip
    cursor.execute(statement)
    added, removed, changed, *each = cursor.fetchone() or ()
    columns = {name: number for name, number in zip(rest, each, strict=True) if number}
    shown = sql.SQL(", ").join(sql.SQL("n.{}").format(sql.Identifier(name)) for name in key)
    few = sql.SQL("select {} from {} o join {} n on {} where {} order by {} limit {}").format(
        shown, _table(old), _table(new), on, sql.SQL(" or ").join(differs), shown, sql.Literal(EXAMPLES)
    )
    examples = _dicts(cursor, few) if changed else []
    return RowChanges("key", added, removed, changed, columns, examples)


def _by_content(cursor: Cursor, old: DatasetVersion, new: DatasetVersion, common: list[str]) -> RowChanges:
    counted = "(select {} as h, {} as part, count(*) as n from {} group by 1, 2)"
    o, n = (
        sql.SQL(counted).format(content(common), sql.Identifier(SPLIT), _table(version))
        for version in (old, new)
    )
    statement = sql.SQL(
        "select coalesce(sum(greatest(n - o, 0)), 0)::bigint, coalesce(sum(greatest(o - n, 0)), 0)::bigint,"
        " coalesce(sum(least(o, n) - same), 0)::bigint"
        " from (select sum(coalesce(o.n, 0)) as o, sum(coalesce(n.n, 0)) as n,"
        "  sum(least(coalesce(o.n, 0), coalesce(n.n, 0))) as same"
        "  from {} o full join {} n using (h, part) group by h) as contents"
    ).format(o, n)
    cursor.execute(statement)
    added, removed, moved = cursor.fetchone() or (0, 0, 0)
    return RowChanges("content", added, removed, moved, {SPLIT: moved} if moved else {}, [])


def columns(cursor: Cursor, old: DatasetVersion, new: DatasetVersion) -> list[ColumnChange]:
    """Return how each column that both versions have moved."""
    new_types = {column.name: column.type for column in new.columns}
    found = []
    for column in old.columns:
        if column.name not in new_types:
            continue
        kinds = (column.type, new_types[column.name])
        numeric = set(kinds) <= _MEASURED
        before = _summary(cursor, old, column.name, numeric=numeric)
        after = _summary(cursor, new, column.name, numeric=numeric)
        distance = _distance(cursor, old, new, column.name, ordered=numeric)
        found.append(
            ColumnChange(column.name, kinds[0], kinds[1], before, after, "ks" if numeric else "tv", distance)
        )
    return found


def _summary(cursor: Cursor, version: DatasetVersion, name: str, *, numeric: bool) -> Summary:
    it, table = sql.Identifier(name), _table(version)
    cursor.execute(sql.SQL("select count(*), count({}), count(distinct {}) from {}").format(it, it, table))
    rows, present, distinct = cursor.fetchone() or (0, 0, 0)
    missing = (rows - present) / rows if rows else 0.0
    if numeric:
        kind = next(column.type for column in version.columns if column.name == name)
        value = moments.finite(it) if kind == "number" else it
        mean, deviation = moments.mean_and_deviation(cursor, value, table)
        return Summary(missing, distinct, mean, deviation, moments.quantiles(cursor, _SHARES, value, table))
    cursor.execute(
        sql.SQL(
            "select {it}::text, count(*) from {table} where {it} is not null group by {it}"
            ' order by count(*) desc, {it}::text collate "C" limit {top}'
        ).format(it=it, table=table, top=sql.Literal(_TOP))
    )
    top = {value: number / rows for value, number in cursor.fetchall()}
    return Summary(missing, distinct, top=top)


def _distance(
    cursor: Cursor, old: DatasetVersion, new: DatasetVersion, name: str, *, ordered: bool
) -> float | None:
    """Return the distance of two samples without their missing values, from 0 to 1.

    For numbers the two-sample Kolmogorov-Smirnov statistic, the largest difference of the distribution
    functions; else the total variation, half the sum of the differences of the shares.
    """
    kind = sql.SQL("double precision" if ordered else "text")
    values = "select {it}::{kind} as v, {a} as a, {b} as b from {table} where {it} is not null"
    both = sql.SQL(" union all ").join(
        sql.SQL(values).format(
            it=sql.Identifier(name), kind=kind, a=sql.Literal(a), b=sql.Literal(1 - a), table=_table(version)
        )
        for a, version in ((1, old), (0, new))
    )
    grouped = sql.SQL("select v, sum(a) as a, sum(b) as b from ({}) as both_ group by v").format(both)
    if ordered:
        inner = (
            "select sum(a) over (order by v) / nullif(sum(a) over (), 0) as p,"
            " sum(b) over (order by v) / nullif(sum(b) over (), 0) as q from ({}) as g"
        )
        outer = "max(abs(p - q))::double precision"
    else:
        inner = "select a / nullif(sum(a) over (), 0) as p, b / nullif(sum(b) over (), 0) as q from ({}) as g"
        outer = "(sum(abs(p - q)) / 2)::double precision"
    cursor.execute(sql.SQL(f"select {outer} from ({inner}) as shares").format(grouped))  # noqa: S608
    found: Any = (cursor.fetchone() or (None,))[0]
    return None if found is None else float(found)


def _dicts(cursor: Cursor, statement: sql.Composable) -> list[dict[str, Any]]:
    cursor.execute(statement)
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
