"""Limits the wait for a database that may never answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from mlpipes_cli.errors import MlpipesError

T = TypeVar("T")


async def within(seconds: float, work: Awaitable[T]) -> T:
    """Return the result if it is there in time; else cancel the work without waiting for its end.

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
    """Retrieve the outcome of an abandoned task and ignore it."""
    if not task.cancelled():
        task.exception()
