"""When versions were loaded and first answered, from a real Postgres."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import log_help
import pytest
import serving_help
from log_help import Row

from mlpipes_cli.adapters.postgres.deployments import PostgresDeployments
from mlpipes_cli.adapters.postgres.prediction_records import PostgresPredictionRecords
from mlpipes_cli.ports.delivery.deployments import Arrival, Deployment, Tenure

pytestmark = pytest.mark.slow
START = datetime(2026, 6, 10, tzinfo=UTC)


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def ms(hours: float) -> int:
    return int(at(hours).timestamp() * 1000)


def tenure(version: int, since: float, until: float | None = None) -> Tenure:
    return Tenure("people", version, "production", at(since), None if until is None else at(until))


@pytest.fixture
def store(postgres: serving_help.Postgres) -> PostgresDeployments:
    log_help.fresh(postgres.url)
    log_help.months(postgres.url, "2026-05", "2026-06", "2026-07")
    return PostgresDeployments(postgres.url)


def note(store: PostgresDeployments, version: int, promoted: float, loaded: float) -> None:
    asyncio.run(store.note(Deployment("people", version, "production", at(promoted), at(loaded))))


def test_the_first_server_and_the_first_answer_of_each_tenure(
    store: PostgresDeployments, postgres: serving_help.Postgres
) -> None:
    rows = [
        Row(made_at=ms(-1), version=1, alias="staging"),  # as it was tried
        Row(made_at=ms(0.2), version=1, alias="staging"),
        Row(made_at=ms(0.4), version=1),
        Row(made_at=ms(0.6), version=1),
        Row(made_at=ms(1.5), version=2),
        Row(made_at=ms(2.5), version=1),  # after the rollback
    ]
    log_help.add(postgres.url, rows)
    for version, promoted, loaded in ((1, 0, 0.3), (1, 0, 0.1), (1, 0, 0.2), (2, 1, 1.1), (1, 2, 2.1)):
        note(store, version, promoted, loaded)
    tenures = [tenure(1, 0, 1), tenure(2, 1, 2), tenure(1, 2), tenure(3, 3)]
    told = store.arrivals(tenures)
    assert told == [
        Arrival(at(0.1), at(0.4)), Arrival(at(1.1), at(1.5)), Arrival(at(2.1), at(2.5)), Arrival(None, None)
    ]  # fmt: skip
    records = PostgresPredictionRecords(postgres.url)
    assert records.prune(at(2).timestamp(), None, lambda _: None).predictions == 5
    assert store.arrivals(tenures) == told


def test_a_tenure_before_there_were_records_is_told_only_where_nothing_was_pruned(
    store: PostgresDeployments, postgres: serving_help.Postgres
) -> None:
    log_help.add(postgres.url, [Row(made_at=ms(0.5), version=1), Row(made_at=ms(1.5), version=2)])
    told = store.arrivals([tenure(1, 0, 1), tenure(2, 1)])
    assert told == [Arrival(None, None), Arrival(None, at(1.5))]
