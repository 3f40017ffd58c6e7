"""Results of checks, kept in ``raw_data._checks``."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mlpipes_cli.ports.data_sets.datasets import CheckResult, CheckRun

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor


def store(cursor: Cursor, dataset: str, load: int, results: Sequence[CheckResult], actor: str) -> None:
    """Keep the results of a run of all checks."""
    found = json.dumps([_plain(dataclasses.asdict(result)) for result in results])
    cursor.execute(
        "insert into raw_data._checks (dataset, load, ok, results, actor) values (%s, %s, %s, %s, %s)",
        (dataset, load, all(result.ok for result in results), found, actor),
    )


def newest(cursor: Cursor, dataset: str, limit: int) -> list[CheckRun]:
    """Return the newest runs, the newest first."""
    cursor.execute(
        "select id, load, ok, results, actor, checked_at from raw_data._checks where dataset = %s"
        " order by id desc limit %s",
        (dataset, limit),
    )
    return [
        CheckRun(id, dataset, load, ok, tuple(CheckResult(**result) for result in results), actor, at)
        for id, load, ok, results, actor, at in cursor.fetchall()
    ]


def _plain(value: Any) -> Any:
    """Return the value in JSON's types."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return value if value is None or isinstance(value, (str, int)) else str(value)
