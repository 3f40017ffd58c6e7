"""The records of loads in ``raw_data._loads``, and of bad rows in ``raw_data._bad_rows``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mlpipes_cli.ports.data_sets.datasets import BadRow, LoadRecord, TableColumn

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

_FIELDS = (
    "id", "dataset", "mode", "source", "fingerprint", "rows", "added", "updated", "unchanged", "set_aside",
    "columns", "settings", "actor", "started_at", "finished_at",
)  # fmt: skip


def loads(cursor: Cursor, dataset: str) -> list[LoadRecord]:
    """Return the loads of a data set, the newest first."""
    cursor.execute(
        f"select {', '.join(_FIELDS)} from raw_data._loads where dataset = %s order by id desc",  # noqa: S608
        (dataset,),
    )
    return [_record(row) for row in cursor.fetchall()]


def _record(row: tuple[Any, ...]) -> LoadRecord:
    values = dict(zip(_FIELDS, row, strict=True))
    values["columns"] = tuple(TableColumn(**column) for column in values["columns"])
    return LoadRecord(**values)


def add(cursor: Cursor, record: LoadRecord, bad: Sequence[BadRow]) -> None:
    """Store a load and its bad rows."""
    from psycopg2.extras import execute_values

    columns = [
        {"name": column.name, "type": column.type, "source": column.source} for column in record.columns
    ]
    values = (
        record.id, record.dataset, record.mode, record.source, record.fingerprint, record.rows, record.added,
        record.updated, record.unchanged, record.set_aside, json.dumps(columns),
        json.dumps(dict(record.settings), default=str), record.actor, record.started_at,
    )  # fmt: skip
    names = [name for name in _FIELDS if name != "finished_at"]
    cursor.execute(
        f"insert into raw_data._loads ({', '.join(names)}) overriding system value"  # noqa: S608
        f" values ({', '.join(['%s'] * len(names))})",
        values,
    )
    if bad:
        execute_values(
            cursor,
            "insert into raw_data._bad_rows (load, source, line, reason, content) values %s",
            [(record.id, row.source, row.line, row.reason, _clean(row.content)) for row in bad],
        )


def _clean(text: str) -> str:
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
