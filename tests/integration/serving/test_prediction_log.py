from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import serving_help

from mlpipes_cli.adapters.postgres import database
from mlpipes_cli.adapters.postgres.prediction_log import PostgresPredictionLog
from mlpipes_cli.errors import MlpipesError, Rejected
from mlpipes_cli.ports import PredictionRow
from mlpipes_cli.server.predictions import jsonb
from mlpipes_cli.server.predictions.uuid7 import milliseconds_of, uuid7

pytestmark = pytest.mark.slow
Work = Callable[[PostgresPredictionLog], Awaitable[Any]]


def row(inputs: Any = None, **changes: Any) -> PredictionRow:
    identifier = uuid7()
    values: dict[str, Any] = {
        "prediction_id": str(identifier),
        "caller_id": None,
        "made_at": milliseconds_of(identifier),
        "model": "people",
        "version": 3,
        "alias": "production",
        "inputs": jsonb.encode({"a": 1.5} if inputs is None else inputs).encode(),
        "prediction": b"1",
        "scores": b"0.25",
        "latency_ms": 1.5,
    }
    return PredictionRow(**(values | changes))


def use(postgres: serving_help.Postgres, work: Work, **options: Any) -> Any:
    """Run work with an open log."""

    async def main() -> Any:
        log = PostgresPredictionLog(postgres.url, **options)
        await log.open()
        try:
            return await work(log)
        finally:
            await log.close()

    return asyncio.run(main())


def count(postgres: serving_help.Postgres, identifier: str) -> int:
    found = postgres.query("select count(*) from serving.predictions where prediction_id = %s", identifier)
    return int(found[0][0])


async def until_it_answers(log: PostgresPredictionLog) -> None:
    async with asyncio.timeout(60):
        while not await log.ping():
            await asyncio.sleep(0.1)


def test_workers_that_start_together_make_the_tables_once(postgres: serving_help.Postgres) -> None:
    postgres.query("drop schema if exists serving, raw_data, clean_data, monitoring, pipelines cascade")
    postgres.query("drop table if exists public.mlpipes_migrations")
    ran: list[str] = []
    failed: list[BaseException] = []

    def start() -> None:
        try:
            ran.extend(database.migrate(postgres.url))
            use(postgres, lambda log: log.write([row()]))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(ran) == len(set(ran)) and ran[0] == "0001_predictions"
    assert database.migrate(postgres.url) == []


def test_every_value_comes_back_as_it_was_written_down(postgres: serving_help.Postgres) -> None:
    values = [
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
    ]
    kept = [row({"x": value}, caller_id=jsonb.text(str(value))) for value in values]
    use(postgres, lambda log: log.write([*kept, row()]))
    for value, made in zip(values, kept, strict=True):
        found = postgres.query(
            "select inputs->'x', caller_id from serving.predictions where prediction_id = %s",
            made.prediction_id,
        )
        assert found == [(jsonb.plain(value), made.caller_id)]
    negative = row({"x": -0.0})
    use(postgres, lambda log: log.write([negative]))
    text = "select (inputs->'x')::text from serving.predictions where prediction_id = %s"
    assert postgres.query(text, negative.prediction_id) == [("0.0",)]  # as docs/how-to/serving says


@pytest.mark.parametrize("perhaps_there", [False, True])
def test_every_column_is_kept(postgres: serving_help.Postgres, perhaps_there: bool) -> None:
    shadowed, made = (
        str(uuid7()),
        row(
            caller_id="東京",
            trace_id="0af7651916cd43dd8448eb211c80319c",
            scores=b"[0.25,0.75]",
            version=2**31 - 1,
        ),
    )
    bare = row(scores=None, shadow_of=shadowed, latency_ms=0.0)
    use(postgres, lambda log: log.write([made, bare], perhaps_there=perhaps_there))
    columns = (
        "caller_id, model_name, model_version, model_alias, prediction, scores, latency_ms, trace_id, "
        "shadow_of::text, extract(epoch from made_at) * 1000"
    )
    sql = f"select {columns} from serving.predictions where prediction_id = %s"
    assert postgres.query(sql, made.prediction_id) == [
        ("東京", "people", 2**31 - 1, "production", 1, [0.25, 0.75], 1.5, made.trace_id, None, made.made_at)
    ]
    assert postgres.query(sql, bare.prediction_id) == [
        (None, "people", 3, "production", 1, None, 0.0, None, shadowed, bare.made_at)
    ]


def test_rows_lie_in_the_partition_of_their_month(postgres: serving_help.Postgres) -> None:
    moments = [datetime(2031, 12, 31, 23, 59, 59, 999000, UTC), datetime(2032, 1, 1, tzinfo=UTC)]
    rows = [row(made_at=int(m.timestamp() * 1000)) for m in moments]
    use(postgres, lambda log: log.write(rows))
    for made, month in zip(rows, ("2031_12", "2032_01"), strict=True):
        found = postgres.query(
            "select tableoid::regclass::text, made_at from serving.predictions where prediction_id = %s",
            made.prediction_id,
        )
        assert found[0][0] == f"serving.predictions_{month}"
        assert found[0][1].timestamp() * 1000 == made.made_at


def test_all_rows_or_none(postgres: serving_help.Postgres) -> None:
    good, broken = row(), row()._replace(inputs=b"{not json")

    async def work(log: PostgresPredictionLog) -> None:
        with pytest.raises(Rejected):
            await log.write([good, broken])
        assert count(postgres, good.prediction_id) == 0
        await log.write([good])

    use(postgres, work)
    assert count(postgres, good.prediction_id) == 1


def test_rows_that_are_there_are_left(postgres: serving_help.Postgres) -> None:
    first, second = row(), row()

    async def work(log: PostgresPredictionLog) -> None:
        await log.write([first])
        await log.write([first._replace(latency_ms=9.0), second], perhaps_there=True)
        with pytest.raises(Rejected):
            await log.write([first])

    use(postgres, work)
    sql = "select latency_ms from serving.predictions where prediction_id = any(%s::uuid[])"
    assert postgres.query(sql, [first.prediction_id, second.prediction_id]) == [(1.5,), (1.5,)]


def test_writes_may_run_side_by_side(postgres: serving_help.Postgres) -> None:
    batches = [[row() for _ in range(20)] for _ in range(30)]

    async def work(log: PostgresPredictionLog) -> None:
        await asyncio.gather(*map(log.write, batches))

    use(postgres, work)
    identifiers = [made.prediction_id for batch in batches for made in batch]
    sql = "select count(*) from serving.predictions where prediction_id = any(%s::uuid[])"
    assert postgres.query(sql, identifiers) == [(600,)]


def test_a_lost_connection_is_replaced_and_nothing_is_twice(postgres: serving_help.Postgres) -> None:
    again = row()

    async def work(log: PostgresPredictionLog) -> None:
        await asyncio.gather(log.write([row()]), log.write([row()]))
        end = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'mlpipes'"
        postgres.query(end)
        await log.write([again])
        await log.write([again], perhaps_there=True)

    use(postgres, work)
    assert count(postgres, again.prediction_id) == 1


def test_a_database_that_is_away_is_one_clear_line_and_comes_back(postgres: serving_help.Postgres) -> None:
    kept = row()

    async def work(log: PostgresPredictionLog) -> None:
        await log.write([row()])
        postgres.kill()
        try:
            with pytest.raises(MlpipesError) as caught:
                await log.write([row()])
            assert "does not answer" in caught.value.lines()[0]
            assert "postgres@" not in caught.value.lines()[0]
            assert not await log.ping()
        finally:
            postgres.start()
        await until_it_answers(log)
        await log.write([kept])

    use(postgres, work)
    assert count(postgres, kept.prediction_id) == 1


def test_a_database_that_hangs_is_not_waited_for_without_end(postgres: serving_help.Postgres) -> None:
    kept = row()

    async def work(log: PostgresPredictionLog) -> None:
        await log.write([row()])
        postgres.freeze(True)
        try:
            async with asyncio.timeout(30):
                with pytest.raises(MlpipesError):
                    await log.write([row()])
                assert not await log.ping()
        finally:
            postgres.freeze(False)
        await until_it_answers(log)
        await log.write([kept])

    use(postgres, work, seconds=0.5)
    assert count(postgres, kept.prediction_id) == 1


def test_what_only_libpq_knows_in_an_address_does_no_harm(postgres: serving_help.Postgres) -> None:
    async def work() -> bool:
        log = PostgresPredictionLog(
            f"{postgres.url}?sslmode=prefer&connect_timeout=5&application_name=x&keepalives=1"
        )
        await log.open()
        found = await log.ping()
        await log.close()
        return found

    assert asyncio.run(work())


def test_it_answers_and_stores_while_the_database_has_no_connection_left(
    postgres: serving_help.Postgres,
) -> None:
    import psycopg2

    async def work(log: PostgresPredictionLog) -> None:
        others: list[Any] = []
        try:
            with pytest.raises(psycopg2.OperationalError, match="too many clients"):
                while len(others) < 1000:
                    others.append(psycopg2.connect(postgres.url))
            mine = row()
            await log.write([mine])
            assert await log.ping()
        finally:
            for other in others:
                other.close()
        assert count(postgres, mine.prediction_id) == 1

    use(postgres, work)


def test_a_ping_finds_a_database_that_was_started_again(postgres: serving_help.Postgres) -> None:
    async def work(log: PostgresPredictionLog) -> None:
        assert await log.ping()
        postgres.query(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where pid <> pg_backend_pid() and backend_type = 'client backend'"
        )
        assert await log.ping()
        await asyncio.gather(*(log.write([row()]) for _ in range(5)), log.ping())

    use(postgres, work)
