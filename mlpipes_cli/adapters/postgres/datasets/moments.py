"""Mean, deviation and quantiles of columns, also of numbers near the limits of double precision."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from psycopg2 import sql

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

_SQUARES = 600  # numbers divided by this power of two have squares whose sum is in double precision
_DIFFERENCES = 2  # and by this one, differences


def finite(it: sql.Composable) -> sql.Composable:
    """Return a number in double precision; null if it is not finite."""
    return sql.SQL("case when {it} > '-Infinity' and {it} < 'Infinity' then {it} end").format(it=it)


def mean_and_deviation(
    cursor: Cursor, value: sql.Composable, table: sql.Composable
) -> tuple[float | None, float | None]:
    """Return the mean and the standard deviation of a sample; None for one that does not exist.

    Args:
        cursor: Of a transaction.
        value: Finite numbers and nulls.
        table: Where they are.
    """
    found = _both(cursor, value, table)
    if found is None:  # the sum, or that of the squares, is too large
        found = _both(cursor, _divided(value, _SQUARES), table) or (None, None)
        return _times(found[0], _SQUARES), _times(found[1], _SQUARES)
    return found


def _both(
    cursor: Cursor, value: sql.Composable, table: sql.Composable
) -> tuple[float | None, float | None] | None:
    import psycopg2

    statement = "select avg({v})::double precision, stddev_samp({v})::double precision from {table}"
    cursor.execute("savepoint moments")
    try:
        cursor.execute(sql.SQL(statement).format(v=value, table=table))
    except psycopg2.errors.NumericValueOutOfRange:
        cursor.execute("rollback to savepoint moments")
        return None
    mean, deviation = cursor.fetchone() or (None, None)
    cursor.execute("release savepoint moments")
    return (mean, deviation) if _usable([mean, deviation]) else None


def quantiles(
    cursor: Cursor, shares: Sequence[float], value: sql.Composable, table: sql.Composable
) -> list[float] | None:
    """Return quantiles, with a straight line between values; None if there is no value.

    Args:
        cursor: Of a transaction.
        shares: Which ones, from 0 to 1.
        value: Finite numbers and nulls.
        table: Where they are.
    """
    found = _quantiles(cursor, shares, value, table)
    if found is None or _usable(found):
        return found
    smaller = _quantiles(cursor, shares, _divided(value, _DIFFERENCES), table) or []
    return [math.ldexp(value, _DIFFERENCES) for value in smaller]


def _quantiles(
    cursor: Cursor, shares: Sequence[float], value: sql.Composable, table: sql.Composable
) -> list[float] | None:
    statement = sql.SQL(
        "select percentile_cont({shares}::double precision[]) within group (order by {v}) from {table}"
    )
    cursor.execute(statement.format(shares=sql.Literal(list(shares)), v=value, table=table))
    found: list[float] | None = (cursor.fetchone() or (None,))[0]
    return found


def _divided(value: sql.Composable, power: int) -> sql.Composable:
    """Return numbers divided by a power of two; exact, but those next to zero become zero."""
    by, least = math.ldexp(1.0, power), math.ldexp(1.0, power - 1000)
    return sql.SQL("case when abs({v}) < {least} then {v} * 0 else {v} / {by} end").format(
        v=value, least=_number(least), by=_number(by)
    )


def _number(value: float) -> sql.Composable:
    return sql.SQL("{}::double precision").format(sql.Literal(value))


def _usable(found: Sequence[float | None]) -> bool:
    return all(value is None or math.isfinite(value) for value in found)


def _times(value: float | None, power: int) -> float | None:
    try:
        return None if value is None else math.ldexp(value, power)
    except OverflowError:
        return None
