"""Waiting for a database that may never say anything again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from mlpipes_cli.errors import MlpipesError

T = TypeVar("T")


async def within(seconds: float, work: Awaitable[T]) -> T:
    """The result, if it is there in time. What is late is cancelled, and its end not waited for.

    Raises:
        MlpipesError: It took longer.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait([task], timeout=seconds)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if task.done():
        return task.result()
    task.cancel()
    task.add_done_callback(_forget)
    raise MlpipesError(f"the database did not answer within {seconds:g} s", "see `mlpipes status`")


def _forget(task: asyncio.Future[Any]) -> None:
    """Nobody wants to know any more how it ended."""
    if not task.cancelled():
        task.exception()
