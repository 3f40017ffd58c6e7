"""Rows of a table as a frame, all or a sample that does not change while the table does not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from psycopg2 import sql

from mlpipes_cli.adapters.postgres.datasets.preparing import frames
from mlpipes_cli.adapters.postgres.datasets.preparing.relation import Relation
from mlpipes_cli.adapters.postgres.datasets.profiling.figures import TIMES, number
from mlpipes_cli.ports.data_sets.datasets import ROW, TableColumn

if TYPE_CHECKING:
    import pandas as pd
    from psycopg2.extensions import cursor as Cursor

ROWS = 50_000


def read(
    cursor: Cursor,
    table: sql.Composable,
    columns: Sequence[TableColumn],
    rows: int,
    target: str | None,
    most: int = ROWS,
) -> pd.DataFrame:
    """Return columns of about ``most`` rows, the same ones at each call.

    Numbers, booleans and moments are float64, moments in seconds since 1970; texts are ``str``. Numbers from
    1e150 on and infinite values are missing.

    Args:
        cursor: Of a read-only transaction.
        table: The table.
        columns: What to read.
        rows: The table's rows.
        target: A column that has to have a value, if any.
        most: About how many rows to read.
    """
    items = [sql.SQL("{} as {}").format(_value(column), sql.Identifier(column.name)) for column in columns]
    share = min(1.0, most / max(rows, 1))
    # A hash of the row's number is spread over the 2 ** 32 integers.
    chosen = sql.SQL("and hashint8({row})::bigint + 2147483648 < {most}").format(
        row=sql.Identifier(ROW), most=sql.Literal(int(share * 2**32))
    )
    query = sql.SQL("select {items}, {row} from {table} where {known} {chosen}").format(
        items=sql.SQL(", ").join(items),
        row=sql.Identifier(ROW),
        table=table,
        known=sql.SQL("true") if target is None else sql.SQL("{} is not null").format(sql.Identifier(target)),
        chosen=chosen if share < 1 else sql.SQL(""),
    )
    read_as = [TableColumn(column.name, "text" if column.type == "text" else "number") for column in columns]
    return frames.read(cursor, Relation(query, read_as), None)


def _value(column: TableColumn) -> sql.Composable:
    if column.type == "text":
        return sql.Identifier(column.name)
    if column.type == "boolean":
        return sql.SQL("{}::integer::double precision").format(sql.Identifier(column.name))
    if column.type == "number":  # squares of larger numbers are beyond double precision
        it = sql.Identifier(column.name)
        return sql.SQL("case when abs({it}) < 1e150 then {it} end").format(it=it)
    return number(column)


def kind(column: TableColumn) -> str:
    """Return the type as the functions for relations name it."""
    if column.type in {"text", "boolean"}:
        return column.type
    return "datetime" if column.type in TIMES else "number"
