"""The figures of a column, over all rows of its table.

PostgreSQL counts and sorts: a statement for the distribution, one for the most frequent values, one for the
histogram.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from psycopg2 import sql

from mlpipes_cli.adapters.postgres.datasets import moments
from mlpipes_cli.ports.data_sets.dataset_profile import ColumnProfile, Histogram, TopValue
from mlpipes_cli.ports.data_sets.datasets import TableColumn

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

TOP = 10
LABELS = 200  # different texts up to which all are read
CUT = 500  # characters of a text
_BINS = 24
_QUARTILES = (0.25, 0.5, 0.75)
_EXACT = 2**52  # whole numbers up to this have a half beside them in double precision
NUMBERS, TIMES = {"integer", "number"}, {"date", "datetime"}


def number(column: TableColumn) -> sql.Composable:
    """Return a number, or a moment in seconds since 1970, in double precision; null if it is not finite."""
    it = sql.Identifier(column.name)
    if column.type in TIMES:
        return sql.SQL("case when isfinite({it}) then extract(epoch from {it})::double precision end").format(
            it=it
        )
    if column.type == "number":
        return moments.finite(it)
    return sql.SQL("{}::double precision").format(it)


def figures(
    cursor: Cursor, table: sql.Composable, column: TableColumn, rows: int
) -> tuple[ColumnProfile, list[str] | None]:
    """Return the figures of a column, and all its labels if it is text with at most ``LABELS``.

    Args:
        cursor: Of a read-only transaction.
        table: The table.
        column: Its column.
        rows: The table's rows.
    """
    present, distinct, top = _top(cursor, table, column)
    labels = None
    if column.type == "text" and distinct <= LABELS:
        labels = [frequent.value for frequent in top if len(frequent.value) < CUT]
    found: dict[str, Any] = {}
    if present and column.type in NUMBERS | TIMES:
        found = _distribution(cursor, table, column, present)
    return ColumnProfile(
        column.name, column.type, "", rows - present, distinct, top=top[:TOP], **found
    ), labels


def _top(cursor: Cursor, table: sql.Composable, column: TableColumn) -> tuple[int, int, list[TopValue]]:
    it = sql.Identifier(column.name)
    limit = LABELS if column.type == "text" else TOP
    statement = sql.SQL(
        "select left(v::text, {cut}), n, (sum(n) over ())::bigint, count(*) over ()"
        " from (select {it} as v, count(*) as n from {table} where {it} is not null group by {it}) as g"
        ' order by n desc, v::text collate "C" limit {limit}'
    )
    cursor.execute(statement.format(it=it, table=table, cut=sql.Literal(CUT), limit=sql.Literal(limit)))
    found = cursor.fetchall()
    present, distinct = found[0][2:] if found else (0, 0)
    return present, distinct, [TopValue(value, rows) for value, rows, *_ in found]


def _distribution(cursor: Cursor, table: sql.Composable, column: TableColumn, present: int) -> dict[str, Any]:
    """Return the fields of a profile that numbers and moments have."""
    it, value = sql.Identifier(column.name), number(column)
    times = column.type in TIMES
    # Moments go as text: Python has no infinite one, and no year after 9999.
    quartiles = "percentile_disc" if times else "percentile_cont"
    text, texts = (sql.SQL("::text"), sql.SQL("::text[]")) if times else (sql.SQL(""), sql.SQL(""))
    statement = sql.SQL(
        "select min({it}){text}, max({it}){text}, min({value}), max({value}), count({value}),"
        " ({quartiles}(array[0.25, 0.5, 0.75]::double precision[]) within group (order by {it})){texts}"
        " from {table} where {value} is not null"
    )
    cursor.execute(
        statement.format(
            it=it, value=value, table=table, text=text, texts=texts, quartiles=sql.SQL(quartiles)
        )
    )
    low, high, least, most, finite, quantiles = cursor.fetchone() or (None, None, None, None, 0, None)
    found: dict[str, Any] = {"not_finite": present - finite}
    if not finite:
        return found
    found |= {"min": low, "max": high, "quantiles": quantiles}
    if not times:
        found["mean"], found["sd"] = moments.mean_and_deviation(cursor, value, table)
        if not all(map(math.isfinite, quantiles)):  # differences are too large for double precision
            found["quantiles"] = moments.quantiles(cursor, _QUARTILES, value, table)
    edges = whole_edges(low, high) if column.type == "integer" else edges_between(least, most)
    found["histogram"] = _histogram(cursor, table, value, edges, finite)
    return found


def whole_edges(low: int, high: int) -> list[float]:
    """Return edges between whole numbers, so that each bin has the same number of them."""
    if max(abs(low), abs(high)) > _EXACT:
        return edges_between(float(low), float(high))
    width = max(1, -(-(high - low + 1) // _BINS))
    return [edge - 0.5 for edge in range(low, high + width + 1, width)]


def edges_between(low: float, high: float) -> list[float]:
    """Return edges of bins of the same width; fewer where double precision has no such numbers."""
    if low == high or not math.isfinite(high - low):
        return [low, high]
    return sorted({*(low + (high - low) * step / _BINS for step in range(_BINS)), high})


def _histogram(
    cursor: Cursor, table: sql.Composable, value: sql.Composable, edges: Sequence[float], finite: int
) -> Histogram:
    bins = len(edges) - 1
    if bins < 2:
        return Histogram(edges, [finite])
    statement = sql.SQL(
        "select least(width_bucket({value}, {edges}::double precision[]), {bins}), count(*)"
        " from {table} where {value} is not null group by 1"
    )
    cursor.execute(
        statement.format(value=value, edges=sql.Literal(list(edges)), bins=sql.Literal(bins), table=table)
    )
    counts = dict(cursor.fetchall())
    return Histogram(edges, [counts.get(position, 0) for position in range(1, bins + 1)])
