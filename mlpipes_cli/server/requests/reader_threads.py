"""Threads that parse requests, with a time limit."""

from __future__ import annotations

import asyncio
import contextvars
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from mlpipes_cli.server.http.api_error import unavailable
from mlpipes_cli.server.settings import ServerSettings


class ReaderThreads:
    """A small thread pool. A thread cannot be stopped: a slow call occupies it until the call ends.

    Args:
        settings: Has the time limit.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._pool = ThreadPoolExecutor(min(32, (os.cpu_count() or 1) + 4), "read")
        self._inside = 0

    @property
    def inside(self) -> int:
        """The number of requests that are parsed or wait for it, including those already answered."""
        return self._inside

    async def run(self, read: Callable[..., Any], *arguments: object) -> Any:
        """Call ``read`` in a thread and return its result.

        Raises:
            ApiError: The call exceeds the time limit (503).
            Exception: Whatever ``read`` raises.
        """
        loop, seconds = asyncio.get_running_loop(), self._settings.answer_timeout
        work = self._pool.submit(contextvars.copy_context().run, read, *arguments)
        self._inside += 1
        work.add_done_callback(lambda _: loop.call_soon_threadsafe(self._done))
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.wrap_future(work)  # a timeout cancels work that has not started
        except TimeoutError:
            message = f"the request was not parsed within {seconds:g} s; send fewer rows per request"
            raise unavailable(message, self._settings.retry_after) from None

    def stop(self) -> None:
        """Start no further calls."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _done(self) -> None:
        self._inside -= 1
