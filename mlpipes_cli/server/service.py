"""One request from its bytes to its answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from mlpipes_cli.ports import PredictionStore
from mlpipes_cli.server.batcher import Batcher, Job
from mlpipes_cli.server.faults import Fault, bad_request, too_large, unavailable
from mlpipes_cli.server.journal import Answer
from mlpipes_cli.server.model import ServedModel
from mlpipes_cli.server.requests import Question
from mlpipes_cli.server.settings import ServerSettings

if TYPE_CHECKING:
    from starlette.requests import Request

Reader = Callable[[bytes, str | None, ServedModel, int], Question]


class Service:
    """Answers requests with a model and keeps each prediction; lives in one event loop.

    Args:
        model: The model; may be replaced while requests run, each keeps the one that it met.
        store: Keeps the predictions.
        settings: The limits.
    """

    def __init__(self, model: ServedModel, store: PredictionStore, settings: ServerSettings) -> None:
        self.model, self.store, self.settings = model, store, settings
        self._batcher = Batcher(store, settings)
        self._inside = 0
        self._pinged: tuple[float, bool] = (-1.0, False)

    def start(self) -> None:
        """Begin to take requests."""
        self._batcher.start()

    def stop(self) -> None:
        """Answer and store what is inside, then give the database back."""
        self._batcher.stop()
        self.store.close()

    async def answer(self, request: Request, read: Reader) -> Answer:
        """Answer one request, after its rows were committed.

        Raises:
            Fault: The request is wrong, too large, or cannot be stored.
        """
        arrived = time.perf_counter()
        if self._inside >= self.settings.max_waiting:
            raise unavailable("too many requests are waiting; try again", self.settings.retry_after)
        self._inside += 1
        try:
            return await self._inside_answer(request, read, arrived)
        finally:
            self._inside -= 1

    async def _inside_answer(self, request: Request, read: Reader, arrived: float) -> Answer:
        body = await read_body(request, self.settings.max_bytes)
        model, kind = self.model, request.headers.get("content-type")
        question = await asyncio.to_thread(read, body, kind, model, self.settings.max_rows)
        job = Job(question, model, arrived)
        self._batcher.submit(job)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(job.answer), self.settings.answer_timeout)
        except TimeoutError:
            self.store.interrupt()
            told = f"the prediction was not stored within {self.settings.answer_timeout:g} s; try again"
            raise unavailable(told, self.settings.retry_after) from None

    async def database_answers(self) -> bool:
        """Whether the database answers; asked at most once a second."""
        now = time.monotonic()
        if now - self._pinged[0] > 1.0:
            self._pinged = (now, await asyncio.to_thread(self.store.ping))
        return self._pinged[1]


async def read_body(request: Request, limit: int) -> bytes:
    """The body, read no further than the limit.

    Raises:
        Fault: It is larger (413), or the client went away.
    """
    from starlette.requests import ClientDisconnect

    told = request.headers.get("content-length", "")
    if told.isdigit() and int(told) > limit:
        raise _over(limit)
    parts, size = [], 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > limit:
                raise _over(limit)
            parts.append(part)
    except ClientDisconnect:
        raise bad_request("the body ended early") from None
    return b"".join(parts)


def _over(limit: int) -> Fault:
    return too_large(f"the body is larger than the {limit} bytes that are taken; send several requests")
