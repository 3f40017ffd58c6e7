"""Retrainings and served rows in a real database."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import log_help
import psycopg2
from log_help import Row
from reporter_help import Told

from mlpipes_cli.adapters.postgres.deliveries import PostgresOutbox
from mlpipes_cli.adapters.postgres.retraining.served_rows import PostgresServedRows
from mlpipes_cli.adapters.postgres.retraining.store import PostgresRetrainingStore
from mlpipes_cli.lifecycle.promotion.history_events import HistoryEvent
from mlpipes_cli.lifecycle.retraining import interrupted
from mlpipes_cli.ports import RegisteredModel
from mlpipes_cli.server.predictions.uuid7 import uuid7

START = log_help.milliseconds("2026-05-01")
HOUR = 3_600_000
KEEP = timedelta(days=30)
NOON = datetime(2026, 5, 3, 12, tzinfo=UTC)


def sql(url: str, statement: str, values: Any = None) -> list[tuple[Any, ...]]:
    with closing(psycopg2.connect(url)) as link, link, link.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall()) if cursor.description else []


def truth(url: str, row: Row, value: Any, hours: float = 0.0) -> None:
    """Report a truth at so many hours from noon."""
    sql(
        url, "insert into serving.ground_truth (prediction_id, value, received_at) values (%s, %s, %s)",
        (row.prediction_id, json.dumps(value), NOON + timedelta(hours=hours)),
    )  # fmt: skip


def read(url: str, most: int = 100) -> list[tuple[int, Any, str | None]]:
    with PostgresServedRows(url).rows("people", most=most, size=2) as batches:
        return [
            (json.loads(row.inputs)["n"], json.loads(row.truth), row.caller_id)
            for batch in batches
            for row in batch
        ]


def row(n: int, caller: str | None = None, **fields: Any) -> Row:
    return Row(START + n * HOUR, inputs={"n": n}, caller_id=caller, **fields)


def test_of_a_caller_id_the_row_with_the_newest_truth_is_read(url: str) -> None:
    """By arrival, whichever prediction was made last; at the same moment the newest prediction."""
    rows = [
        row(0, "ana"),
        row(1, "ana", version=2),
        row(2, "ben"),
        row(3, "ben"),
        row(4),
        row(5),
        row(6, "no"),
    ]
    shadow = row(7, "ben", shadow_of=rows[3].prediction_id)
    log_help.add(url, [*rows, shadow, row(8, model="others")])
    for at, value, hours in ((0, 1, 2), (1, 0, 1), (2, 0, 0), (3, 1, 0), (4, 1, 0), (5, 0, 5)):
        truth(url, rows[at], value, hours)
    assert read(url) == [(0, 1, "ana"), (3, 1, "ben"), (4, 1, None), (5, 0, None)]
    assert read(url, most=2) == [(4, 1, None), (5, 0, None)]
    served = PostgresServedRows(url)
    counted = [served.count("people", NOON + timedelta(hours=hours)) for hours in (0, 1, 3, 6)]
    assert counted == [4, 2, 1, 0]


def test_truths_of_a_version_come_in_the_order_of_their_arrival(url: str) -> None:
    rows = log_help.add(url, [row(n, prediction=n) for n in range(6)])
    log_help.add(url, [row(9, version=4)])
    for at, hours in ((0, 5), (1, 4), (2, 3), (3, 2), (4, 1)):
        truth(url, rows[at], at, hours)
    served = PostgresServedRows(url)

    def found(**asked: Any) -> list[str]:
        return [one.prediction for one in served.judged("people", 3, **asked)]

    assert found(most=3) == ["4", "3", "2"]
    middle = datetime.fromtimestamp((START + 2 * HOUR) / 1000, UTC)
    assert found(most=9, since=middle) == ["4", "3", "2"]
    assert found(most=9, until=middle) == ["1", "0"]
    assert found(most=1, until=middle) == ["1"]


def test_the_history_of_retrainings(url: str) -> None:
    store = PostgresRetrainingStore(url)
    first, second = (UUID(str(uuid7())) for _ in range(2))
    store.begin(first, "people", "drift", UUID(int=1), "ana@desk", KEEP)  # a check that was removed
    store.begin(second, "people", "manual", None, "ana@desk", KEEP)
    store.end(first, "promoted", "one\nline", "run-1", 4)
    store.end(first, "failed", "too late")
    newest, oldest = store.retrainings("people", 10)
    assert (newest.id, newest.outcome, newest.ended_at, newest.cause) == (second, None, None, "manual")
    assert (oldest.outcome, oldest.detail, oldest.run_id, oldest.version) == (
        "promoted",
        "one line",
        "run-1",
        4,
    )
    assert (oldest.check_id, oldest.ended_at is not None) == (None, True)
    store.rolled_back("people", 4, "it did worse")
    store.rolled_back("people", 5, "another version")
    assert [one.outcome for one in store.retrainings(None, 10)] == [None, "rolled back"]
    assert store.retrainings("others", 10) == []
    assert abs(store.now() - newest.started_at) < timedelta(minutes=1)


def test_what_was_killed_is_closed_by_what_the_alias_shows(url: str) -> None:
    """Of three without an end one had moved the alias, one had only announced it, one had done nothing."""
    store = PostgresRetrainingStore(url)
    ids = [UUID(str(uuid7())) for _ in range(4)]
    for one in ids:
        store.begin(one, "people", "drift", None, "ana@desk", KEEP)
    store.end(ids[3], "refused", "not better")
    event = HistoryEvent(
        "20260503T120000.000000Z-aa", "promote", "intent", "people", "production", 1, 2, "2026-05-03T12:00",
        "ana@desk", reason=f"retraining {ids[0]}: drift", run_id="run-2",
    )  # fmt: skip
    later = replace(
        event, id="20260503T130000.000000Z-bb", from_version=2, to_version=3, reason=f"retraining {ids[1]}"
    )
    tags = {one.key: one.value() for one in (event, later)}
    model = RegisteredModel("people", {"production": 2}, tags, ())
    told = Told()
    assert interrupted.close(store, store.retrainings("people", 9), model, told)
    found = {one.id: (one.outcome, one.version, one.run_id) for one in store.retrainings("people", 9)}
    assert [found[one] for one in ids] == [
        ("promoted", 2, "run-2"), ("killed", None, None), ("killed", None, None), ("refused", None, None),
    ]  # fmt: skip
    assert len(told.warnings) == 3
    assert not interrupted.close(store, store.retrainings("people", 9), model, told)


def test_one_turn_for_a_model(url: str) -> None:
    store = PostgresRetrainingStore(url)
    with store.turn("people") as turn, store.turn("people") as second, store.turn("others") as other:
        assert turn is not None and second is None and other is not None
        turn.verify()
    with store.turn("people") as turn:
        assert turn is not None


def test_an_event_is_queued_once_for_each_channel(url: str) -> None:
    store, outbox = PostgresRetrainingStore(url), PostgresOutbox(url)
    for text in ("first", "again"):
        store.enqueue("rollback:1", ["team", "boss"], {"text": text})
    assert [(one.event, one.channel) for one in outbox.deliveries(9)] == [
        ("rollback:1", "boss"), ("rollback:1", "team"),
    ]  # fmt: skip
    claimed = outbox.claim(["team"])
    assert claimed is not None and claimed.message == {"text": "first", "event": "rollback:1"}


def test_old_retrainings_are_removed_but_for_the_newest(url: str) -> None:
    store = PostgresRetrainingStore(url)
    for model, number in (("people", 110), ("others", 3)):
        sql(
            url, "insert into monitoring.retrainings (id, model, cause, started_at, actor) select "
            "gen_random_uuid(), %s, 'manual', now() - (20 + n) * interval '1 day', 'x' "
            "from generate_series(1, %s) n",
            (model, number),
        )  # fmt: skip
    store.begin(UUID(int=5), "people", "manual", None, "ana@desk", timedelta(days=125, hours=12))
    kept = store.retrainings("people", 1000)
    # the new one, those of 21 to 125 days ago, and none of 126 to 130 days ago
    assert len(kept) == 1 + 105
    store.begin(UUID(int=6), "people", "manual", None, "ana@desk", KEEP)
    assert (len(store.retrainings("people", 1000)), len(store.retrainings("others", 1000))) == (100, 3)
