"""The records of versions, ``clean_data._versions``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mlpipes_cli.adapters.postgres.datasets.loaded_table import columns_of
from mlpipes_cli.ports.data_sets.datasets import DatasetVersion

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

_COLUMNS = (
    "dataset, version, load, fingerprint, rows, splits, columns, learned, settings, table_name, actor,"
    " created_at"
)


def listed(cursor: Cursor, dataset: str | None = None) -> list[DatasetVersion]:
    """Return all versions, the newest of each data set first."""
    where = "" if dataset is None else "where dataset = %s"
    cursor.execute(
        f"select {_COLUMNS} from clean_data._versions {where} order by dataset, version desc",  # noqa: S608
        () if dataset is None else (dataset,),
    )
    return [_version(row) for row in cursor.fetchall()]


def newest(cursor: Cursor, dataset: str) -> DatasetVersion | None:
    """Return the newest version of a data set."""
    found = listed(cursor, dataset)
    return found[0] if found else None


def add(cursor: Cursor, version: DatasetVersion) -> None:
    """Add a record."""
    columns = [{"name": column.name, "type": column.type} for column in version.columns]
    values = (
        version.dataset, version.version, version.load, version.fingerprint, version.rows,
        json.dumps(dict(version.splits)), json.dumps(columns), as_json(version.learned),
        as_json(version.settings), version.table, version.actor,
    )  # fmt: skip
    names = _COLUMNS.replace(", created_at", "").replace(" created_at", "")
    marks = ", ".join(["%s"] * len(values))
    cursor.execute(f"insert into clean_data._versions ({names}) values ({marks})", values)  # noqa: S608


def as_json(value: Any) -> str:
    """Return what was learned or set as JSON; what JSON has no type for becomes a text."""
    return json.dumps(value, default=str)


def _version(row: tuple[Any, ...]) -> DatasetVersion:
    values = list(row)
    values[6] = columns_of(values[6])
    return DatasetVersion(*values)
