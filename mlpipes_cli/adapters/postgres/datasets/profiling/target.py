"""What a loaded table says of its target: classes with their rows, and columns that give it away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg2 import sql

from mlpipes_cli.adapters.postgres.datasets.loaded_table import LoadedTable
from mlpipes_cli.adapters.postgres.datasets.profiling import sample
from mlpipes_cli.adapters.postgres.datasets.profiling.figures import TIMES
from mlpipes_cli.ports.data_sets.dataset_profile import TargetSummary
from mlpipes_cli.ports.data_sets.datasets import TableColumn

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

SAMPLE = 5_000  # rows in which columns are compared with the target


def summary(cursor: Cursor, table: LoadedTable, name: str) -> TargetSummary | None:
    """Return what the table says of a column as a target; None if it cannot be one.

    Args:
        cursor: Of a read-only transaction.
        table: The table.
        name: The target.
    """
    from mlpipes_cli.data.understanding import relation

    column = next((column for column in table.columns if column.name == name), None)
    if column is None or column.type in TIMES:
        return None
    it = sql.Identifier(name)
    count = sql.SQL("select count(*), count({it}) from {table}").format(it=it, table=table.name)
    cursor.execute(count)
    rows, present = cursor.fetchone() or (0, 0)
    frame = sample.read(cursor, table.name, list(table.columns), rows, name, SAMPLE)
    frame = frame[frame[name].notna()]
    values = frame[name].astype(bool) if column.type == "boolean" else frame[name]
    known = relation.known(values, sample.kind(column))
    if known is None:
        return None
    leaks = {}
    for other in table.columns:
        if other.name == name or not frame[other.name].notna().any():
            continue
        if (leak := relation.leak(frame[other.name], sample.kind(other), known)) is not None:
            leaks[other.name] = leak
    classes = {} if known.task == "regression" else _classes(cursor, table, column)
    labels = list(classes)
    return TargetSummary(
        known.task, labels[-1] if len(labels) == 2 else None, classes, rows - present, len(frame), leaks
    )


def _classes(cursor: Cursor, table: LoadedTable, column: TableColumn) -> dict[str, int]:
    it = sql.Identifier(column.name)
    order = sql.SQL(' collate "C"') if column.type == "text" else sql.SQL("")
    statement = sql.SQL(
        "select {it}, count(*) from {table} where {it} is not null group by 1 order by {it}{order}"
    ).format(it=it, table=table.name, order=order)
    cursor.execute(statement)
    return {_label(value): int(count) for value, count in cursor.fetchall()}


def _label(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.15g}" if isinstance(value, float) else str(value)
