"""What ``dataset.yaml`` expects of a raw table, as conditions for PostgreSQL."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg2 import sql

from mlpipes_cli.config.dataset.columns import ColumnConfig
from mlpipes_cli.config.dataset.config import DatasetConfig
from mlpipes_cli.config.yaml_source import Location, YamlSource
from mlpipes_cli.errors import ConfigError
from mlpipes_cli.ports.data_sets.datasets import CheckResult, TableColumn
from mlpipes_cli.suggest import did_you_mean

_NUMBERS, _TIMES = {"integer", "number"}, {"date", "datetime"}


@dataclass(frozen=True)
class RowCheck:
    """A check whose wrong rows a condition selects.

    Attributes:
        name: What reports call it.
        location: Where it stands in the file.
        wrong: The condition of a wrong row.
        shown: The columns that examples show.
        share: The share of wrong rows up to which the check is right.
    """

    name: str
    location: Location
    wrong: sql.Composable
    shown: Sequence[str]
    share: float = 0.0


def stored_column(
    config: DatasetConfig, column: str, types: Mapping[str, str], source: YamlSource, location: Location
) -> str:
    """Return the name in the raw table of a column that the file names.

    Raises:
        ConfigError: The table has no such column.
    """
    name = config.stored_name(column)
    if name not in types:
        message = f"the table of {config.dataset!r} has no column {column!r}"
        hint = did_you_mean(column, types) or "; if the source has it, run `mlpipes data load` again"
        raise ConfigError([source.problem(location, message + hint)])
    return name


def type_checks(config: DatasetConfig, types: Mapping[str, str]) -> Iterator[CheckResult]:
    """Yield a result for each column whose type the file states; a column holds values of its type only."""
    for column, settings in config.columns.items():
        name = config.stored_name(column)
        if settings.drop or settings.type is None or name not in types:
            continue
        found = types[name]
        examples = () if found == settings.type else ({"column": name, "type": found},)
        yield CheckResult(f"{name}: type {settings.type}", found == settings.type, len(examples), examples)


def row_checks(config: DatasetConfig, types: Mapping[str, str], source: YamlSource) -> list[RowCheck]:
    """Return the checks of single columns that one pass over the table answers.

    Raises:
        ConfigError: The table has no such column, or a bound or a value does not fit its type.
    """
    found: list[RowCheck] = []
    problems: list[str] = []
    for column, settings in config.columns.items():
        if settings.drop:
            continue
        at: Location = ("columns", column)
        try:
            name = stored_column(config, column, types, source, at)
            found += _of_column(TableColumn(name, types[name]), settings, source, at)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return found


def _of_column(
    column: TableColumn, settings: ColumnConfig, source: YamlSource, at: Location
) -> Iterator[RowCheck]:
    it = sql.Identifier(column.name)
    for key, sign in (("min", "<"), ("max", ">")):
        bound = getattr(settings, key)
        if bound is not None:
            literal = _bound(column, bound, source, (*at, key))
            wrong = sql.SQL(f"{{}} {sign} {{}}").format(it, literal)
            yield RowCheck(f"{column.name}: {key} {bound}", (*at, key), wrong, (column.name,))
    if settings.values is not None:
        values = [constant(column, value, source, (*at, "values")) for value in settings.values]
        wrong = sql.SQL("{} not in ({})").format(it, sql.SQL(", ").join(values))
        yield RowCheck(f"{column.name}: values", (*at, "values"), wrong, (column.name,))
    if settings.missing is not None:
        wrong = sql.SQL("{} is null").format(it)
        name = f"{column.name}: missing {settings.missing:g}"
        yield RowCheck(name, (*at, "missing"), wrong, (column.name,), settings.missing)


def _bound(column: TableColumn, bound: Any, source: YamlSource, at: Location) -> sql.Composable:
    numeric = isinstance(bound, (int, float))
    if column.type not in (_NUMBERS if numeric else _TIMES):
        what = "a number" if numeric else "a date"
        message = f"{bound} is {what}, and the column {column.name!r} has the type {column.type}"
        raise ConfigError([source.problem(at, message)])
    if numeric:
        return sql.Literal(bound)
    return moment(bound)


def moment(value: datetime.date | datetime.datetime) -> sql.Composable:
    """Return a date or a moment as a timestamp in UTC."""
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        value = value.astimezone(datetime.UTC).replace(tzinfo=None)
    return sql.SQL("{}::timestamp").format(sql.Literal(value.isoformat()))


def constant(column: TableColumn, value: Any, source: YamlSource, at: Location) -> sql.Composable:
    """Return a value of the file as one of a column's type.

    Raises:
        ConfigError: It does not fit.
    """
    kind, plain = column.type, type(value)
    if kind == "text" and plain is str:
        return sql.SQL("{}::text").format(sql.Literal(value))
    if kind == "boolean" and plain is bool:
        return sql.SQL("{}::boolean").format(sql.Literal(value))
    if kind == "boolean" and value in (0, 1) and plain is not str:
        return sql.SQL("{}::boolean").format(sql.Literal(bool(value)))
    if kind == "integer" and plain in (int, float) and float(value).is_integer() and abs(value) < 2**63:
        return sql.SQL("{}::bigint").format(sql.Literal(int(value)))
    if kind == "number" and plain in (int, float):
        return sql.SQL("{}::double precision").format(sql.Literal(value))
    if kind in _TIMES and plain is str:
        try:
            parsed = datetime.datetime.fromisoformat(value)
        except ValueError:
            parsed = None
        if parsed is not None:
            target = "date" if kind == "date" else "timestamp"
            return sql.SQL(f"{{}}::{target}").format(moment(parsed))
    message = f"{value!r} does not fit the column {column.name!r}, which has the type {kind}"
    hint = "; put it in quotes" if kind == "text" else ""
    raise ConfigError([source.problem(at, message + hint)])
