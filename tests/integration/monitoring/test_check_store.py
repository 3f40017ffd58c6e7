"""Checks in a real database: stored, listed with the alarm that lasts, and removed when they are old."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg2
import pytest

from mlpipes_cli.adapters.postgres.checks import ALWAYS_KEPT, PostgresCheckStore
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports.monitoring import NewCheck
from mlpipes_cli.server.predictions.uuid7 import uuid7

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY, FOREVER = timedelta(days=1), timedelta(days=3650)


def check(day: float, **changed: Any) -> NewCheck:
    values: dict[str, Any] = {
        "id": UUID(str(uuid7())), "checked_at": START + day * DAY, "model": "loans", "version": 3,
        "alias": "production", "since": START + (day - 1) * DAY, "until": START + day * DAY, "rows": 500,
        "alarm": False, "enough": True, "alpha": 0.05, "cause": "manual", "actor": "ana@desk", "seconds": 1.5,
        "result": {"verdict": "no change found", "columns": [{"name": "città", "p": None}]},
    }  # fmt: skip
    return NewCheck(**(values | changed))


def sql(url: str, statement: str) -> list[tuple[Any, ...]]:
    with closing(psycopg2.connect(url)) as link, link, link.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []


def test_a_check_comes_back_as_it_was_stored(url: str) -> None:
    store = PostgresCheckStore(url)
    made = check(0.5, since=None, alias=None)
    store.add(made, FOREVER)
    (found,) = store.checks()
    assert {name: getattr(found, name) for name in vars(made)} == vars(made)
    assert (found.alarm_since, found.alarm_checks) == (None, 0)


def test_how_long_an_alarm_lasts(url: str) -> None:
    """Calm, alarm, too few rows, alarm, alarm; and another version that is calm in between."""
    store = PostgresCheckStore(url)
    for made in (
        check(0, alarm=True), check(1), check(2, alarm=True), check(3, enough=False, rows=7),
        check(4, alarm=True), check(4.5, version=4), check(5, alarm=True),
    ):  # fmt: skip
        store.add(made, FOREVER)
    days = [
        (
            (one.checked_at - START) / DAY,
            one.alarm_since and (one.alarm_since - START) / DAY,
            one.alarm_checks,
        )
        for one in store.checks("loans", 3)
    ]
    assert days == [(5, 2, 3), (4, 2, 2), (3, None, 0), (2, 2, 1), (1, None, 0), (0, 0, 1)]
    assert [one.version for one in store.checks("loans", limit=2)] == [3, 4]
    assert store.checks("none") == []


def test_old_checks_go_but_not_the_newest_and_not_those_that_an_alert_waits_for(url: str) -> None:
    store = PostgresCheckStore(url)
    waiting, sent = check(-300), check(-299)
    for made in (waiting, sent):
        store.add(made, FOREVER)
    for made, state in ((waiting, "waiting"), (sent, "sent")):
        sql(url, "insert into monitoring.deliveries (event, channel, check_id, message, state)"
                 f" values ('alarm:{made.id}', 'team', '{made.id}', '{{}}', '{state}')")  # fmt: skip
    for day in range(ALWAYS_KEPT + 5):
        store.add(check(day - 250), FOREVER)
    store.add(check(0), timedelta(days=30))  # all are older than that
    left = {one.id for one in store.checks(limit=1000)}
    assert len(left) == ALWAYS_KEPT + 1 and waiting.id in left and sent.id not in left
    assert sql(url, "select state, check_id is null from monitoring.deliveries order by 1") == [
        ("sent", True), ("waiting", False),
    ]  # fmt: skip


def test_alerts_that_are_done_with_go_with_their_checks_but_not_that_of_an_alarm_that_lasts(url: str) -> None:
    store, month = PostgresCheckStore(url), timedelta(days=30)
    insert = (
        "insert into monitoring.deliveries (event, channel, message, state, created_at) values ('{}', 'team',"
        ' \'{{"model": "loans", "version": {}, "checked_at": "2026-01-01T00:00:00Z"}}\', \'{}\', \'{}\')'
    )
    for event, version, state, at in (
        ("alarm:ended", 3, "sent", "2026-01-01"),
        ("calm:ended", 3, "dropped", "2026-01-01"),
        ("alarm:lasts", 4, "sent", "2026-01-01"),
        ("alarm:waits", 3, "waiting", "2026-01-01"),
        ("alarm:new", 3, "sent", "now"),
    ):
        sql(url, insert.format(event, version, state, at))
    store.add(check(0, alarm=True), month)
    assert len(sql(url, "select event from monitoring.deliveries")) == 4  # no calm is known, but one is sent
    store.add(check(1), month)
    assert sql(url, "select event from monitoring.deliveries order by 1") == [
        ("alarm:lasts",), ("alarm:new",), ("alarm:waits",),
    ]  # fmt: skip


def test_one_event_goes_out_once_through_one_channel(url: str) -> None:
    insert = "insert into monitoring.deliveries (event, channel, message) values ('a', '{}', '{{}}')"
    for channel in ("team", "mail"):
        sql(url, insert.format(channel))
    with pytest.raises(psycopg2.errors.UniqueViolation):
        sql(url, insert.format("team"))


def test_a_database_that_is_away_is_one_line() -> None:
    store = PostgresCheckStore("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(MlpipesError, match="the database does not answer"):
        store.checks()
