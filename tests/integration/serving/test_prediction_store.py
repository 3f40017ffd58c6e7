from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

import pytest
import serving_help

from mlpipes_cli.adapters import database
from mlpipes_cli.adapters.prediction_log import PostgresPredictionStore
from mlpipes_cli.errors import MlpipesError, Rejected
from mlpipes_cli.ports import PredictionRow
from mlpipes_cli.server import jsonb
from mlpipes_cli.server.uuid7 import milliseconds_of, uuid7

pytestmark = pytest.mark.slow


def row(inputs: Any = None, **changes: Any) -> PredictionRow:
    identifier = uuid7()
    values: dict[str, Any] = {
        "prediction_id": str(identifier),
        "caller_id": None,
        "made_at": milliseconds_of(identifier),
        "model": "people",
        "version": 3,
        "alias": "production",
        "inputs": jsonb.encode({"a": 1.5} if inputs is None else inputs),
        "prediction": "1",
        "scores": "0.25",
        "latency_ms": 1.5,
    }
    return PredictionRow(**(values | changes))


@pytest.fixture
def store(postgres: serving_help.Postgres) -> Any:
    made = PostgresPredictionStore(postgres.url)
    made.prepare()
    yield made
    made.close()


def count(postgres: serving_help.Postgres, identifier: str) -> int:
    found = postgres.query("select count(*) from serving.predictions where prediction_id = %s", identifier)
    return int(found[0][0])


def test_workers_that_start_together_make_the_tables_once(postgres: serving_help.Postgres) -> None:
    postgres.query("drop schema if exists serving cascade")
    postgres.query("drop table if exists public.mlpipes_migrations")
    ran: list[str] = []
    failed: list[BaseException] = []

    def start() -> None:
        try:
            ran.extend(database.migrate(postgres.url))
            PostgresPredictionStore(postgres.url).prepare()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert ran == ["0001_predictions"]
    assert database.migrate(postgres.url) == []


@pytest.mark.parametrize(
    "value",
    [
        "NUL \x00 inside",
        "\ud800",
        "tab\t newline\n return\r backslash \\ \\N \\. quote ' \" 東京 🙂",
        float("nan"),
        float("-inf"),
        10**400,
        0.1,
        1e22,
        "\\u0000",
        {"nested\x00": [None, {"deep": "\x00"}]},
    ],
)
def test_every_value_comes_back_as_it_was_written_down(
    store: PostgresPredictionStore, postgres: serving_help.Postgres, value: Any
) -> None:
    kept = row({"x": value}, caller_id=jsonb.text(str(value)))
    store.write([kept, row()])
    found = postgres.query(
        "select inputs->'x', caller_id from serving.predictions where prediction_id = %s", kept.prediction_id
    )
    assert found == [(jsonb.plain(value), kept.caller_id)]


def test_rows_lie_in_the_partition_of_their_month(
    store: PostgresPredictionStore, postgres: serving_help.Postgres
) -> None:
    moments = [datetime(2031, 12, 31, 23, 59, 59, 999000, UTC), datetime(2032, 1, 1, tzinfo=UTC)]
    rows = [row(made_at=int(m.timestamp() * 1000)) for m in moments]
    store.write(rows)
    for made, month in zip(rows, ("2031_12", "2032_01"), strict=True):
        found = postgres.query(
            "select tableoid::regclass::text, made_at from serving.predictions where prediction_id = %s",
            made.prediction_id,
        )
        assert found[0][0] == f"serving.predictions_{month}"
        assert found[0][1].timestamp() * 1000 == made.made_at


def test_all_rows_or_none(store: PostgresPredictionStore, postgres: serving_help.Postgres) -> None:
    good, bad = row(), row(inputs={"a": 1})
    broken = PredictionRow(**{**vars(bad), "inputs": "{not json"})
    with pytest.raises(Rejected):
        store.write([good, broken])
    assert count(postgres, good.prediction_id) == 0
    store.write([good])
    assert count(postgres, good.prediction_id) == 1


def test_a_lost_connection_is_replaced_and_nothing_is_twice(
    store: PostgresPredictionStore, postgres: serving_help.Postgres
) -> None:
    store.write([row()])
    end = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'mlpipes'"
    postgres.query(end)
    again = row()
    store.write([again])
    store._transaction([again], store._insert)
    assert count(postgres, again.prediction_id) == 1


def test_a_database_that_is_away_is_one_clear_line_and_comes_back(
    store: PostgresPredictionStore, postgres: serving_help.Postgres
) -> None:
    store.write([row()])
    postgres.kill()
    try:
        with pytest.raises(MlpipesError) as caught:
            store.write([row()])
        assert "does not answer" in caught.value.lines()[0]
        assert "postgres@" not in caught.value.lines()[0]
        assert not store.ping()
    finally:
        postgres.start()
    kept = row()
    serving_help.until(lambda: store.ping())
    store.write([kept])
    assert count(postgres, kept.prediction_id) == 1


def test_a_write_that_hangs_can_be_interrupted(
    store: PostgresPredictionStore, postgres: serving_help.Postgres
) -> None:
    store.write([row()])
    failed: list[BaseException] = []

    def write() -> None:
        try:
            store.write([row()])
        except MlpipesError as error:
            failed.append(error)

    postgres.freeze(True)
    try:
        thread = threading.Thread(target=write)
        thread.start()
        serving_help.until(lambda: store.interrupt() or not thread.is_alive(), 60, "the interruption")
        thread.join()
    finally:
        postgres.freeze(False)
    assert len(failed) == 1
    kept = row()
    serving_help.until(lambda: store.ping())
    store.write([kept])
    assert count(postgres, kept.prediction_id) == 1
