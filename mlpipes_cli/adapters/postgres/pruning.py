# ruff: noqa: S608  the names in the statements are those of our own partitions, as Postgres quotes them
"""Removes old predictions with their truth: whole months at once, the rest row by row."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from mlpipes_cli.adapters.postgres.deployments import keep_first_answers
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports.prediction_records import Prunable

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

_STEP = 10_000  # rows that one transaction deletes
_WRITERS_WAIT = "250ms"  # seconds at most; requests queue behind a waiting lock on the whole table
_PATIENCE, _PAUSE = 60.0, 0.5  # seconds
# Partitions with the moment after their last one; the default partition has none.
_PARTITIONS = """
select c.oid::regclass::text, c.relname,
    (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'TO \\(''([^'']+)''\\)'))[1]::timestamptz
from pg_inherits i join pg_class c on c.oid = i.inhrelid
where i.inhparent = 'serving.predictions'::regclass order by 3 nulls last
"""
_OLD = "made_at < to_timestamp(%(before)s) and (%(model)s::text is null or model_name = %(model)s)"
_TRUTHS = f"""
select count(*) from serving.predictions p join serving.ground_truth t using (prediction_id) where p.{_OLD}
"""
# The time is inside the identifier (version 7), so all truths of old predictions lie before `floor`.
_ORPHANS = """
delete from serving.ground_truth t where t.prediction_id < %(floor)s::uuid
    and substr(t.prediction_id::text, 15, 1) = '7'
    and not exists (
        select from serving.predictions p
        where p.prediction_id = t.prediction_id and p.made_at < to_timestamp(%(before)s)
    )
"""
_HISTORY = """
delete from serving.ground_truth_history h where h.prediction_id < %(floor)s::uuid
    and not exists (select from serving.ground_truth t where t.prediction_id = h.prediction_id)
"""


class _Partition(NamedTuple):
    """A partition of the prediction log.

    Attributes:
        table: Its name for SQL.
        month: ``2026-05``; another word for the default partition.
        end: The first moment after the month, or None.
    """

    table: str
    month: str
    end: datetime | None


def prunable(session: Connection, before: float, model: str | None) -> Prunable:
    """Return what :func:`prune` would remove."""
    values = {"before": before, "model": model}
    rows, dropped = 0, []
    with session.cursor() as cursor:
        for partition in _partitions(cursor):
            found = _one(cursor, f"select count(*) from {partition.table} where {_OLD}", values)
            rows += found
            if found and _goes_whole(cursor, partition, before, model):
                dropped.append(partition.month)
        truths = _one(cursor, _TRUTHS, values)
    session.rollback()
    return Prunable(rows, truths, tuple(dropped))


def prune(session: Connection, before: float, model: str | None, removed: Callable[[int], None]) -> Prunable:
    """Remove predictions (see :meth:`mlpipes_cli.ports.prediction_records.PredictionRecords.prune`).

    Raises:
        MlpipesError: Another session locks the table for a long time.
        psycopg2.Error: The database does not answer.
    """
    import psycopg2

    rows, dropped = 0, []
    with session.cursor() as cursor:
        partitions = _partitions(cursor)
        keep_first_answers(cursor, model)
        session.commit()
        for partition in partitions:
            whole = None
            if partition.end is not None and partition.end.timestamp() <= before:
                try:
                    whole = _drop(session, cursor, partition, before, model)
                except psycopg2.errors.InsufficientPrivilege:  # a table that mlpipes did not make
                    session.rollback()
            if whole is None:
                rows += _delete(session, cursor, partition, before, model, removed)
                continue
            removed(whole)
            rows += whole
            if whole:
                dropped.append(partition.month)
        values = {"before": before, "floor": _floor(before)}
        cursor.execute(_ORPHANS, values)
        truths = cursor.rowcount
        cursor.execute(_HISTORY, values)
        session.commit()
    return Prunable(rows, truths, tuple(dropped))


def _partitions(cursor: Cursor) -> list[_Partition]:
    cursor.execute(_PARTITIONS)
    return [
        _Partition(table, name.removeprefix("predictions_").replace("_", "-"), end)
        for table, name, end in cursor.fetchall()
    ]


def _goes_whole(cursor: Cursor, partition: _Partition, before: float, model: str | None) -> bool:
    if partition.end is None or partition.end.timestamp() > before:
        return False
    query = f"select count(*) from (select from {partition.table} where model_name <> %(model)s limit 1) o"
    return model is None or _one(cursor, query, {"model": model}) == 0


def _drop(
    session: Connection, cursor: Cursor, partition: _Partition, before: float, model: str | None
) -> int | None:
    """Drop a month; return None, without a change, if it holds another model's rows."""
    cursor.execute("set local lock_timeout = '10s'")  # only late rows of that month wait so long
    cursor.execute(f"lock table {partition.table} in share row exclusive mode")
    if not _goes_whole(cursor, partition, before, model):
        session.rollback()
        return None
    rows = _one(cursor, f"select count(*) from {partition.table}", {})
    _detach(cursor, partition)
    cursor.execute(f"drop table {partition.table}")
    session.commit()
    return rows


def _detach(cursor: Cursor, partition: _Partition) -> None:
    """Detach the partition from the table as soon as no session uses the table.

    CONCURRENTLY is impossible with a default partition. Hence many short attempts, since each
    prediction that is written has to wait as long as one attempt lasts.
    """
    import psycopg2

    over = time.monotonic() + _PATIENCE
    cursor.execute(f"set local lock_timeout = '{_WRITERS_WAIT}'")
    while True:
        cursor.execute("savepoint attempt")
        try:
            cursor.execute(f"alter table serving.predictions detach partition {partition.table}")
        except psycopg2.errors.LockNotAvailable:
            cursor.execute("rollback to savepoint attempt")
            if time.monotonic() > over:
                raise MlpipesError(
                    f"the predictions of {partition.month} cannot be dropped: "
                    f"another client has been using the table for more than {_PATIENCE:.0f} s",
                    "try again when no export is running",
                ) from None
            time.sleep(_PAUSE)
        else:
            return


def _delete(
    session: Connection,
    cursor: Cursor,
    partition: _Partition,
    before: float,
    model: str | None,
    removed: Callable[[int], None],
) -> int:
    """Delete the old rows in batches, one transaction each."""
    values: dict[str, Any] = {"before": before, "model": model, "step": _STEP, "after": "-infinity"}
    total = 0
    while True:
        cursor.execute(
            f"""
            with old as materialized (
                select ctid, made_at from only {partition.table} where {_OLD} and made_at >= %(after)s
                order by made_at limit %(step)s for update
            ), gone as (
                delete from only {partition.table} where ctid = any (array (select ctid from old))
            )
            select count(*), max(made_at)::text from old
            """,
            values,
        )
        found: Any = cursor.fetchone()
        session.commit()
        if not found[0]:
            return total
        total += found[0]
        removed(found[0])
        values["after"] = found[1]


def _one(cursor: Cursor, statement: str, values: dict[str, Any]) -> int:
    cursor.execute(statement, values)
    found: Any = cursor.fetchone()
    return int(found[0])


def _floor(before: float) -> str:
    """Return the least identifier of version 7 that is not older than ``before``."""
    digits = f"{max(int(datetime.fromtimestamp(before, UTC).timestamp() * 1000), 0):012x}"
    return f"{digits[:8]}-{digits[8:]}-0000-0000-000000000000"
