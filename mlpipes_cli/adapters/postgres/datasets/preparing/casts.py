"""Casts from one type of a column to another; a value that does not fit ends the statement and is named.

A value that does not fit is put into a text that no type takes, so that PostgreSQL's error has the step, the
column, the row and the value (see :mod:`..sql_errors`).
"""

from __future__ import annotations

from psycopg2 import sql

from mlpipes_cli.ports.data_sets.datasets import SQL_TYPES

_INTEGER = r"^\s*[+-]?[0-9]+(\.0*)?\s*$"
_NUMBER = r"^\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{{1,4}})?\s*$"
_DAY = "(?!0000)[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_ZONE = "(Z|[+-](0[0-9]|1[0-4])(:?[0-5][0-9])?)"
_CLOCK = "([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]+)?)?"
_DATE = rf"^\s*{_DAY}\s*$"
_DATETIME = rf"^\s*{_DAY}([T ]{_CLOCK}{_ZONE}?)?\s*$"
_NO_SUCH_DAY = "-(02-3[01]|(04|06|09|11)-31)"
_YEAR = "left(btrim({v}), 4)::integer"
_LEAP = f"({_YEAR} % 4 = 0 and ({_YEAR} % 100 <> 0 or {_YEAR} % 400 = 0))"


def _a_day(pattern: str) -> str:
    """Return the condition of a text that matches, and whose day is in the calendar."""
    written = pattern.replace("{", "{{").replace("}", "}}")  # as a template
    return (
        f"case when {{v}} ~ '{written}' and {{v}} !~ '{_NO_SUCH_DAY}'"
        f" then substr(btrim({{v}}), 6, 5) <> '02-29' or {_LEAP} else false end"
    )


_TRUE, _FALSE = "'true', 't', 'yes', 'y', '1'", "'false', 'f', 'no', 'n', '0'"
# By the old and the new type: the condition of a value that fits, and the value. `numeric` has no limits, so
# that a value beyond those of the type is found by comparison.
_WHOLE = "between -9223372036854775808 and 9223372036854775807"
_CASTS: dict[tuple[str, str], tuple[str, str]] = {
    ("text", "integer"): (
        f"case when {{v}} ~ '{_INTEGER}' then {{v}}::numeric {_WHOLE} else false end", "{v}::numeric::bigint",
    ),
    ("text", "number"): (
        f"case when {{v}} ~ '{_NUMBER}' then abs({{v}}::numeric) <= 1.7976931348623157e308::numeric"
        " and ({v}::numeric = 0 or abs({v}::numeric) >= 1e-307::numeric) else false end",
        "{v}::double precision",
    ),
    ("text", "boolean"): (
        f"lower(btrim({{v}})) in ({_TRUE}, {_FALSE})", f"(lower(btrim({{v}})) in ({_TRUE}))",
    ),
    ("text", "date"): (_a_day(_DATE), "{v}::date"),
    ("text", "datetime"): (_a_day(_DATETIME), "({v}::timestamptz at time zone 'UTC')"),
    ("integer", "number"): ("true", "{v}::double precision"),
    ("integer", "boolean"): ("{v} in (0, 1)", "({v} = 1)"),
    ("number", "integer"): (
        "{v} = floor({v}) and {v} >= -9223372036854775808 and {v} < 9223372036854775808", "{v}::bigint",
    ),
    ("number", "boolean"): ("{v} in (0, 1)", "({v} = 1)"),
    ("boolean", "integer"): ("true", "{v}::integer::bigint"),
    ("boolean", "number"): ("true", "{v}::integer::double precision"),
    ("date", "datetime"): ("true", "{v}::timestamp"),
    ("datetime", "date"): ("true", "{v}::date"),
    **{(kind, "text"): ("true", "{v}::text") for kind in SQL_TYPES if kind != "text"},
}  # fmt: skip


def cast(name: str, old: str, new: str, step: int, position: int) -> sql.Composable | None:
    """Return a column's value as another type; None if no value of the old type has one of the new.

    Args:
        name: The column.
        old: Its type.
        new: The new type.
        step: The position of the step in ``clean``.
        position: The position of the column in the step.
    """
    value = sql.Identifier(name)
    if old == new:
        return value
    if (old, new) not in _CASTS:
        return None
    fits, become = (sql.SQL(part).format(v=value) for part in _CASTS[old, new])
    if _CASTS[old, new][0] == "true":
        return become
    # A type whose cast takes any text at all is not among them: `text` never gets here.
    return sql.SQL(
        "case when {v} is null then null when {fits} then {become} else"
        " ({mark} || _row || ':' || {v}::text || '>')::{kind} end"
    ).format(
        v=value, fits=fits, become=become, mark=sql.Literal(f"<mlpipes:{step}:{position}:"),
        kind=sql.SQL(SQL_TYPES[new]),
    )  # fmt: skip
