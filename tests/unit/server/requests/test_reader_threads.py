"""Threads that read requests within a request's time."""

from __future__ import annotations

import asyncio
import threading

import pytest

from mlpipes_cli.server.http.api_error import ApiError
from mlpipes_cli.server.ops import context
from mlpipes_cli.server.requests import reader_threads
from mlpipes_cli.server.requests.reader_threads import ReaderThreads
from mlpipes_cli.server.settings import ServerSettings


def test_what_reads_too_long_is_answered_and_keeps_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_threads.os, "cpu_count", lambda: -2)  # two threads

    async def run() -> None:
        made = ReaderThreads(ServerSettings("people", "production", answer_timeout=0.2, retry_after=7))
        gate, begun = threading.Event(), []

        def stuck(name: str) -> str:
            begun.append(name)
            gate.wait(60)
            return name

        found = await asyncio.gather(*(made.run(stuck, name) for name in "abcd"), return_exceptions=True)
        assert all(isinstance(fault, ApiError) and fault.status == 503 for fault in found)
        assert str(found[0]) == "the request was not parsed within 0.2 s; send fewer rows per request"
        assert found[0].retry_after == 7
        await asyncio.sleep(0)
        assert made.inside == 2  # the two that were begun; the others were never
        gate.set()
        while made.inside:
            await asyncio.sleep(0.01)
        assert begun == ["a", "b"]
        assert await made.run(len, "abc") == 3
        made.stop()

    asyncio.run(asyncio.wait_for(run(), 60))


def test_what_is_read_and_raised_comes_back_with_the_requests_context() -> None:
    async def run() -> None:
        made = ReaderThreads(ServerSettings("people", "production"))
        asked = context.RequestContext("r1")
        token = context.current.set(asked)
        assert await made.run(context.current.get) is asked
        context.current.reset(token)
        with pytest.raises(ZeroDivisionError):
            await made.run(divmod, 1, 0)
        while made.inside:
            await asyncio.sleep(0)
        made.stop()

    asyncio.run(asyncio.wait_for(run(), 60))
