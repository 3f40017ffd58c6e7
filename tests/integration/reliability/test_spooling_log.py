"""The spool in front of a real Postgres, with a proxy between them that misbehaves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import serving_help
from tcp_faults import Proxy
from unit.adapters.spool.test_record_format import row

from mlpipes_cli.adapters.postgres.prediction_log import PostgresPredictionLog
from mlpipes_cli.adapters.spool import SpoolingLog, pending_records
from mlpipes_cli.errors import MlpipesError, Rejected
from mlpipes_cli.ports import PredictionRow

pytestmark = pytest.mark.slow


@pytest.fixture
def proxy(postgres: serving_help.Postgres) -> Iterator[Proxy]:
    with Proxy.before(postgres.url) as made:
        yield made


class Caller:
    """Writes rows and remembers those of which it was told that they are kept."""

    def __init__(self, log: SpoolingLog) -> None:
        self.log, self.told, self.slowest = log, [], 0.0
        self.refused = 0

    async def write(self, rows: int = 3) -> None:
        made = [row(caller_id=str(len(self.told) + n)) for n in range(rows)]
        began = time.monotonic()
        try:
            await self.log.write(made)
        except MlpipesError:
            self.refused += 1
        else:
            self.told += made
        self.slowest = max(self.slowest, time.monotonic() - began)

    async def until(self, true: Callable[[], bool], seconds: float = 30) -> None:
        """Write without a pause until it is true."""
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline
            await asyncio.gather(*(self.write() for _ in range(4)))
            await asyncio.sleep(0.005)


@asynccontextmanager
async def log_at(
    url: str, spool: Path, *, seconds: float = 1.0, **options: Any
) -> AsyncIterator[tuple[SpoolingLog, Caller]]:
    log = SpoolingLog(PostgresPredictionLog(url, seconds=seconds), spool, **{"patience": 0.5, **options})
    await log.open()
    try:
        yield log, Caller(log)
    finally:
        await log.close()


def everything_once(postgres: serving_help.Postgres, told: list[PredictionRow]) -> bool:
    ids = [made.prediction_id for made in told]
    rows = "select prediction_id::text, caller_id from serving.predictions "
    found = postgres.query(f"{rows} where prediction_id = any(%s::uuid[])", ids)
    return sorted(found) == sorted((made.prediction_id, made.caller_id) for made in told)


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 90))


def drained(log: SpoolingLog) -> Callable[[], bool]:
    return lambda: not log.spooling and log.pending()[0] == 0


FAULTS: dict[str, tuple[Callable[[Proxy], None], Callable[[Proxy], None]]] = {
    "refused": (Proxy.refuse, lambda proxy: proxy.refuse(False)),
    "blackholed": (Proxy.blackhole, lambda proxy: proxy.blackhole(False)),
    "slow": (lambda proxy: setattr(proxy, "seconds", 1.0), lambda proxy: setattr(proxy, "seconds", 0.0)),
    "narrow": (lambda proxy: setattr(proxy, "rate", 200.0), lambda proxy: setattr(proxy, "rate", None)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_waits_for_long_and_everything_is_there_once_afterwards(
    postgres: serving_help.Postgres, proxy: Proxy, tmp_path: Path, fault: str
) -> None:
    begin, end = FAULTS[fault]

    async def test() -> None:
        async with log_at(proxy.url(postgres.url), tmp_path) as (log, caller):
            await caller.until(lambda: len(caller.told) > 30)
            assert not log.spooling
            begin(proxy)
            await caller.until(lambda: log.spooling)
            before = len(caller.told)
            await caller.until(lambda: len(caller.told) > before + 300)
            assert pending_records(tmp_path).rows > 0
            assert log.pending()[1] < 30
            end(proxy)
            await caller.until(drained(log))
            before = len(caller.told)
            await caller.until(lambda: len(caller.told) > before + 30)
            assert not log.spooling
            assert caller.refused == 0
            assert caller.slowest < 2.0
            assert pending_records(tmp_path).rows == 0
        assert everything_once(postgres, caller.told)

    run(test)


def test_a_commit_that_nobody_heard_of_is_not_done_twice(
    postgres: serving_help.Postgres, proxy: Proxy, tmp_path: Path
) -> None:
    async def test() -> None:
        async with log_at(proxy.url(postgres.url), tmp_path) as (log, caller):
            await caller.write()
            for _ in range(5):
                proxy.forget_answers(lambda said: b"COPY " in said)
                await caller.write()
                await asyncio.to_thread(proxy.wait_forgotten)
            proxy.refuse()
            await caller.until(lambda: log.spooling and len(caller.told) > 100)
            proxy.forget_answers(lambda said: b"COPY " in said)  # that of the replay
            proxy.refuse(False)
            await asyncio.to_thread(proxy.wait_forgotten)
            await caller.until(drained(log))
        assert everything_once(postgres, caller.told)

    run(test)


def test_connections_that_never_say_anything_again_are_given_up(
    postgres: serving_help.Postgres, proxy: Proxy, tmp_path: Path
) -> None:
    """Also in the middle of a replay, whose ROLLBACK would wait for ever too."""

    async def test() -> None:
        async with log_at(proxy.url(postgres.url), tmp_path) as (log, caller):
            for _ in range(4):
                await caller.until(drained(log))
                proxy.blackhole()
                await caller.until(lambda: log.spooling)
                proxy.blackhole(False)
                proxy.strand()
                proxy.seconds = 0.05
                accepted = proxy.accepted
                await caller.until(lambda n=accepted: proxy.accepted > n)
                await asyncio.sleep(0.25)
                proxy.strand()  # in the middle of the replay
                proxy.seconds = 0.0
            await caller.until(drained(log))
            assert caller.refused == 0
            assert caller.slowest < 2.0
        assert everything_once(postgres, caller.told)

    run(test)


def test_rows_come_in_the_order_in_which_they_were_written(
    postgres: serving_help.Postgres, proxy: Proxy, tmp_path: Path
) -> None:
    async def test() -> None:
        async with log_at(proxy.url(postgres.url), tmp_path, file_bytes=500_000) as (log, caller):
            proxy.refuse()
            for _ in range(700):
                await caller.write(4)
            proxy.refuse(False)
            while not drained(log)():
                await caller.write(4)
            await caller.write(4)
        ids = [made.prediction_id for made in caller.told]
        found = postgres.query(
            "select caller_id::int, xmin::text::bigint from serving.predictions "
            "where prediction_id = any(%s::uuid[]) order by caller_id::int",
            ids,
        )
        assert [number for number, _ in found] == list(range(len(ids)))
        transactions = [transaction for _, transaction in found]
        assert transactions == sorted(transactions)
        assert len(set(transactions)) > 2

    run(test)


def test_a_server_starts_without_its_database_and_takes_over_what_another_left(
    postgres: serving_help.Postgres, proxy: Proxy, tmp_path: Path
) -> None:
    async def test() -> None:
        proxy.refuse()
        url, told = proxy.url(postgres.url), []
        for _ in range(3):
            async with log_at(url, tmp_path) as (log, caller):
                assert log.spooling
                await caller.write()
                told += caller.told
        assert pending_records(tmp_path).rows == len(told) == 9
        proxy.refuse(False)
        async with log_at(url, tmp_path) as (log, caller):
            await caller.until(drained(log))
            await caller.write()
        assert everything_once(postgres, told + caller.told)
        assert pending_records(tmp_path).rows == 0

    run(test)


def test_a_living_server_takes_over_from_a_dead_one(
    postgres: serving_help.Postgres, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlpipes_cli.adapters.spool.log._ORPHANS", 0.2)

    async def test() -> None:
        async with log_at(postgres.url, tmp_path) as (_, living):
            proxy.refuse()
            async with log_at(proxy.url(postgres.url), tmp_path) as (_, dead):
                await dead.write()
            deadline = time.monotonic() + 20
            while pending_records(tmp_path).rows:
                assert time.monotonic() < deadline
                await living.write()
        assert everything_once(postgres, dead.told + living.told)

    run(test)


def test_a_crash_between_commit_and_removal_changes_nothing(
    postgres: serving_help.Postgres, proxy: Proxy, tmp_path: Path
) -> None:
    async def test() -> None:
        proxy.refuse()
        async with log_at(proxy.url(postgres.url), tmp_path) as (_, caller):
            for _ in range(5):
                await caller.write()
        half = PostgresPredictionLog(postgres.url)
        await half.open()
        await half.write(caller.told[:7])
        await half.close()
        async with log_at(postgres.url, tmp_path) as (log, _):
            while not drained(log)():
                await asyncio.sleep(0.01)
        assert everything_once(postgres, caller.told)

    run(test)


def test_damage_is_set_aside_and_reported_and_the_rest_is_replayed(
    postgres: serving_help.Postgres, proxy: Proxy, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        proxy.refuse()
        async with log_at(proxy.url(postgres.url), tmp_path) as (_, caller):
            for _ in range(5):
                await caller.write()
        (path,) = tmp_path.glob("*/*.rows")
        data = bytearray(path.read_bytes())
        place = data.index(caller.told[4].prediction_id.encode())  # in the second of the five writes
        data[place] ^= 1
        path.write_bytes(data + bytes(data[:60]))  # and a write that did not come to its end
        async with log_at(postgres.url, tmp_path) as (log, _):
            while not drained(log)():
                await asyncio.sleep(0.01)
        assert everything_once(postgres, caller.told[:3] + caller.told[6:])
        assert pending_records(tmp_path).set_aside == 1
        (aside,) = (tmp_path / "set-aside").iterdir()
        assert caller.told[5].prediction_id.encode() in aside.read_bytes()
        assert str(aside) in caplog.text

    run(test)


def test_what_the_database_refuses_for_good_is_set_aside_and_does_not_stop_the_rest(
    postgres: serving_help.Postgres, proxy: Proxy, tmp_path: Path
) -> None:
    async def test() -> None:
        proxy.refuse()
        bad = row(inputs=b'{"a": ')
        async with log_at(proxy.url(postgres.url), tmp_path) as (log, caller):
            await caller.write()
            await log.write([row(), bad, row()])
            await caller.write()
        async with log_at(postgres.url, tmp_path) as (log, _):
            while not drained(log)():
                await asyncio.sleep(0.01)
            with pytest.raises(Rejected):
                await log.write([bad])
            assert not log.spooling
        assert everything_once(postgres, caller.told)
        (aside,) = (tmp_path / "set-aside").iterdir()
        assert aside.name.endswith(f"{bad.prediction_id}.refused")

    run(test)


def test_when_the_spool_is_full_too_rows_are_refused_and_later_taken_again(
    postgres: serving_help.Postgres, proxy: Proxy, tmp_path: Path
) -> None:
    async def test() -> None:
        async with log_at(proxy.url(postgres.url), tmp_path, limit=5000) as (log, caller):
            assert await log.ping()
            proxy.refuse()
            await caller.until(lambda: caller.refused > 10)
            assert not await log.ping()
            assert pending_records(tmp_path).bytes <= 5000
            assert caller.slowest < 2.0
            proxy.refuse(False)
            await caller.until(drained(log))
            before = caller.refused
            await caller.until(lambda: len(caller.told) > 100)
            assert caller.refused == before
        assert everything_once(postgres, caller.told)

    run(test)


def test_the_replay_comes_to_its_end_however_much_comes_in(
    postgres: serving_help.Postgres, proxy: Proxy, tmp_path: Path
) -> None:
    async def test() -> None:
        async with log_at(proxy.url(postgres.url), tmp_path, patience=2.0) as (log, caller):
            proxy.refuse()
            await caller.until(lambda: log.spooling)
            most, over = 0, False

            async def hammer() -> None:
                while not over:
                    await caller.write(50)

            clients = [asyncio.create_task(hammer()) for _ in range(6)]
            await asyncio.sleep(1)
            proxy.refuse(False)
            deadline = time.monotonic() + 60
            while not drained(log)():
                assert time.monotonic() < deadline
                most = max(most, log.pending()[0])
                await asyncio.sleep(0.01)
            over = True
            await asyncio.gather(*clients)
            assert most > 2000
            assert caller.refused == 0
            assert caller.slowest < 3.0
        assert everything_once(postgres, caller.told)

    run(test)


def test_a_database_that_is_killed_and_comes_back(postgres: serving_help.Postgres, tmp_path: Path) -> None:
    async def test() -> None:
        async with log_at(postgres.url, tmp_path) as (log, caller):
            for _ in range(2):
                await caller.until(drained(log))
                await asyncio.to_thread(postgres.kill)
                before = len(caller.told)
                await caller.until(lambda n=before: len(caller.told) > n + 100)
                assert log.spooling
                starting = asyncio.create_task(asyncio.to_thread(postgres.start))
                await caller.until(drained(log))
                await starting
            assert caller.refused == 0
        assert everything_once(postgres, caller.told)

    run(test)
