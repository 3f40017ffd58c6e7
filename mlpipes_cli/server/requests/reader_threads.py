"""Threads that read requests, in no more time than a request may take."""

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
    """A few threads. None can be ended from outside: what takes too long keeps its place until it is done.

    Args:
        settings: How long reading may take.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._pool = ThreadPoolExecutor(min(32, (os.cpu_count() or 1) + 4), "read")
        self._inside = 0

    @property
    def inside(self) -> int:
        """Requests that are being read or wait for it, those that were answered meanwhile among them."""
        return self._inside

    async def run(self, read: Callable[..., Any], *arguments: object) -> Any:
        """What ``read`` gives, called in a thread.

        Raises:
            Fault: It takes longer than a request may (503).
            Exception: What ``read`` raises.
        """
        loop, seconds = asyncio.get_running_loop(), self._settings.answer_timeout
        work = self._pool.submit(contextvars.copy_context().run, read, *arguments)
        self._inside += 1
        work.add_done_callback(lambda _: loop.call_soon_threadsafe(self._done))
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.wrap_future(work)  # its end cancels work that has not begun
        except TimeoutError:
            told = f"the request was not parsed within {seconds:g} s; send fewer rows per request"
            raise unavailable(told, self._settings.retry_after) from None

    def stop(self) -> None:
        """Begin nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _done(self) -> None:
        self._inside -= 1
