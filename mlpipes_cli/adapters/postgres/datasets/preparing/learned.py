"""Steps that learn from the training rows: medians, means, most frequent values, quantiles.

Each statistic is the same in whatever order the table has its rows: means are summed in the order of the
values, and of two values that are equally frequent the smaller one is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from psycopg2 import sql

from mlpipes_cli.adapters.postgres.datasets.checks.expectations import constant
from mlpipes_cli.adapters.postgres.datasets.preparing.relation import Relation
from mlpipes_cli.config.dataset.steps import LEARNED, Clip, Constant, Step
from mlpipes_cli.config.yaml_source import Location, YamlSource
from mlpipes_cli.errors import ConfigError, MlpipesError
from mlpipes_cli.ports.data_sets.datasets import SPLIT, SQL_TYPES, TableColumn

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

_STATISTICS = {
    "median": "percentile_cont(0.5) within group (order by {it})",
    "mean": "avg({it} order by {it})::double precision",
    "quantiles": "percentile_cont(array[{low}, {high}]::double precision[]) within group (order by {it})",
    # `mode` takes the first of the most frequent values in this order
    "most_frequent": "mode() within group (order by {it})",
}


def learns(step: Step) -> bool:
    """Return whether the step learns from training rows."""
    fills = step.fill is not None and any(_statistic(value) for value in step.fill.values())
    return fills or (step.clip is not None and any(bounds.quantiles for bounds in step.clip.values()))


def _statistic(value: Any) -> str | None:
    return value if isinstance(value, str) and value in LEARNED else None


def wanted(before: Relation, step: Step, source: YamlSource, at: Location) -> dict[str, sql.Composable]:
    """Return what the step learns, by column, as aggregates.

    Raises:
        ConfigError: A column is unknown, or has no such statistic.
    """
    found: dict[str, sql.Composable] = {}
    for name, value in (step.fill or {}).items():
        if statistic := _statistic(value):
            column = before.column(name, source, (*at, name))
            if statistic != "most_frequent":
                _must_be_numeric(column, statistic, source, (*at, name))
            found[name] = _aggregate(statistic, column)
    for name, clip in (step.clip or {}).items():
        if clip.quantiles:
            column = before.column(name, source, (*at, name))
            _must_be_numeric(column, "quantiles", source, (*at, name))
            low, high = map(sql.Literal, clip.quantiles)
            found[name] = _aggregate("quantiles", column, low=low, high=high)
    return found


def _aggregate(statistic: str, column: TableColumn, **more: sql.Composable) -> sql.Composable:
    it: sql.Composable = sql.Identifier(column.name)
    if column.type == "text":
        it = sql.SQL('{} collate "C"').format(it)  # the order does not depend on the server's locale
    return sql.SQL(_STATISTICS[statistic]).format(it=it, **more)


def _must_be_numeric(column: TableColumn, statistic: str, source: YamlSource, at: Location) -> None:
    if column.type in {"integer", "number"}:
        return
    hint = "; take most_frequent, a value, or {constant: VALUE}" if statistic != "quantiles" else ""
    message = f"{statistic}: the column {column.name!r} has the type {column.type}{hint}"
    raise ConfigError([source.problem(at, message)])


def learn(
    cursor: Cursor,
    before: Relation,
    aggregates: Mapping[str, sql.Composable],
    source: YamlSource,
    at: Location,
) -> dict[str, Any]:
    """Return what is learned from the training rows, by column.

    Raises:
        MlpipesError: No training row has a value of the column.
    """
    statement = sql.SQL("select {} from ({}) as input where {} = 'train'").format(
        sql.SQL(", ").join(aggregates.values()), before.query, sql.Identifier(SPLIT)
    )
    cursor.execute(statement)
    found = dict(zip(aggregates, cursor.fetchone() or (), strict=True))
    for name, value in found.items():
        if value is None:
            reason = source.problem((*at, name), f"no training row has a value of {name!r} to learn from")
            raise MlpipesError(reason, "drop the column, or fill it with a value")
    return found


def apply(
    before: Relation, step: Step, found: Mapping[str, Any], source: YamlSource, at: Location
) -> Relation:
    """Return the rows after a step that learned something.

    A column of whole numbers that gets a median, a mean or quantiles has the type ``number`` afterwards,
    whatever was learned.

    Raises:
        ConfigError: A constant does not fit its column.
    """
    values: dict[str, sql.Composable] = {}
    types = before.types
    for name, value in (step.fill or {}).items():
        column = before.column(name, source, (*at, name))
        if name in found:
            kind = "number" if value in {"median", "mean"} else column.type
            types[name] = kind
            literal: sql.Composable = sql.SQL(f"{{}}::{SQL_TYPES[kind]}").format(sql.Literal(found[name]))
        else:
            plain = value.constant if isinstance(value, Constant) else value
            kind, literal = column.type, constant(column, plain, source, (*at, name))
        values[name] = sql.SQL(f"coalesce({{}}::{SQL_TYPES[kind]}, {{}})").format(
            sql.Identifier(name), literal
        )
    for name, clip in (step.clip or {}).items():
        column = before.column(name, source, (*at, name))
        if column.type not in {"integer", "number"}:
            message = f"bounds are for numbers, and the column {name!r} has the type {column.type}"
            raise ConfigError([source.problem((*at, name), message)])
        low, high = found.get(name, (clip.min, clip.max))
        types[name] = kind = _clipped(column, clip)
        values[name] = _bounded(TableColumn(name, kind), low, high)
    return before.selected(values, [TableColumn(name, kind) for name, kind in types.items()])


def _clipped(column: TableColumn, clip: Clip) -> str:
    """Return the type of a column between bounds: whole numbers stay whole if the bounds are."""
    whole = clip.quantiles is None and all(
        bound is None or float(bound).is_integer() for bound in (clip.min, clip.max)
    )
    return column.type if whole else "number"


def _bounded(column: TableColumn, low: float | None, high: float | None) -> sql.Composable:
    """Return a column's value between bounds; a missing one stays missing."""
    kind = sql.SQL("bigint" if column.type == "integer" else "double precision")
    it = sql.Identifier(column.name)
    whens = [
        sql.SQL(f"when {{}} {sign} {{}} then {{}}::{{}}").format(
            it, sql.Literal(bound), sql.Literal(bound), kind
        )
        for sign, bound in (("<", low), (">", high))
        if bound is not None
    ]
    if not whens:
        return sql.SQL("{}::{}").format(it, kind)
    return sql.SQL("case {} else {}::{} end").format(sql.SQL(" ").join(whens), it, kind)
