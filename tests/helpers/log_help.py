"""Rows of the prediction log, made for tests."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from mlpipes_cli.adapters.postgres import database, partitions

_COLUMNS = (
    "prediction_id, caller_id, made_at, model_name, model_version, model_alias, inputs, prediction, scores, "
    "latency_ms, trace_id, shadow_of"
)
_random = random.Random(7)


def identifier(milliseconds: int) -> str:
    """A UUID of version 7 for a moment."""
    low = 2 << 62 | _random.getrandbits(62)
    return str(UUID(int=milliseconds << 80 | 7 << 76 | _random.getrandbits(12) << 64 | low))


def milliseconds(moment: str) -> int:
    return int(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp() * 1000)


@dataclass
class Row:
    """A prediction; the identifier comes from the moment."""

    made_at: int = field(default_factory=lambda: int(datetime.now(UTC).timestamp() * 1000))
    caller_id: str | None = None
    model: str = "people"
    version: int = 3
    alias: str = "production"
    inputs: Any = field(default_factory=lambda: {"amount": 1.5, "city": "Köln"})
    prediction: Any = 1
    scores: Any = 0.75
    shadow_of: str | None = None
    prediction_id: str = ""

    def __post_init__(self) -> None:
        self.prediction_id = self.prediction_id or identifier(self.made_at)

    def line(self) -> str:
        moment = datetime.fromtimestamp(self.made_at // 1000, UTC).isoformat()
        values = (
            self.prediction_id, self.caller_id, f"{moment[:19]}.{self.made_at % 1000:03}Z", self.model,
            self.version, self.alias, json.dumps(self.inputs), json.dumps(self.prediction),
            None if self.scores is None else json.dumps(self.scores), 1.25, None, self.shadow_of,
        )  # fmt: skip
        return (
            "\t".join("\\N" if value is None else str(value).replace("\\", "\\\\") for value in values) + "\n"
        )


def fresh(url: str) -> None:
    """Empty tables of the newest version."""
    import psycopg2

    with closing(psycopg2.connect(url)) as link, link, link.cursor() as cursor:
        cursor.execute(
            "drop schema if exists serving, raw_data, clean_data, monitoring, pipelines cascade;"
            "drop table if exists public.mlpipes_migrations"
        )
    database.migrate(url)


def months(url: str, *wanted: str) -> None:
    """Partitions, each named as ``2026-05``."""
    import psycopg2

    with closing(psycopg2.connect(url)) as link, link, link.cursor() as cursor:
        for month in wanted:
            of = (int(month[:4]), int(month[5:]))
            first, after = partitions.bounds(of)
            cursor.execute(
                f"create table {partitions.name(of)} partition of serving.predictions "
                f"for values from ('{first}') to ('{after}')"
            )


def add(url: str, rows: Iterable[Row]) -> list[Row]:
    """Store predictions."""
    import psycopg2

    kept = list(rows)
    with closing(psycopg2.connect(url)) as link, link, link.cursor() as cursor:
        text = io.StringIO("".join(row.line() for row in kept))
        cursor.copy_expert(f"copy serving.predictions ({_COLUMNS}) from stdin", text)
    return kept
