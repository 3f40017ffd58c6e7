from __future__ import annotations

import asyncio
import time

from mlpipes_cli.adapters.spool.rate_limit import RateLimit


async def come_in(pace: RateLimit, rows: int) -> float:
    began = time.monotonic()
    while await pace.wait(rows, began):
        pass
    return time.monotonic() - began


def test_nobody_waits_while_nothing_goes_out() -> None:
    async def test() -> None:
        pace = RateLimit(5.0)
        assert max([await come_in(pace, 1000) for _ in range(50)]) < 1.0
        pace.replayed(10)
        pace.stopped()
        assert await come_in(pace, 1000) < 1.0

    asyncio.run(test())


def test_half_as_many_come_in_as_go_out() -> None:
    async def test() -> None:
        pace, entered = RateLimit(30.0), 0
        pace.replayed(0)

        async def client() -> None:
            nonlocal entered
            while True:
                await come_in(pace, 10)
                entered += 10

        clients = [asyncio.create_task(client()) for _ in range(5)]
        for _ in range(20):
            pace.replayed(1000)
            await asyncio.sleep(0.01)
        for task in clients:
            task.cancel()
        assert 9900 <= entered <= 10_100

    asyncio.run(test())


def test_nobody_waits_longer_than_told() -> None:
    async def test() -> None:
        pace = RateLimit(0.2)
        pace.replayed(0)
        assert 0.15 < await come_in(pace, 10) < 1.5

    asyncio.run(test())


def test_whoever_waits_goes_on_when_the_database_is_lost() -> None:
    async def test() -> None:
        pace = RateLimit(30.0)
        pace.replayed(0)
        waiting = asyncio.create_task(come_in(pace, 10))
        await asyncio.sleep(0.05)
        pace.stopped()
        assert await waiting < 5

    asyncio.run(test())
