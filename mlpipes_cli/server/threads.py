"""Threads that do not delay the end of the process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def detached(function: Callable[..., T], *arguments: object) -> T:
    """Call a function in a daemon thread, as :func:`asyncio.to_thread` does in a pool.

    For calls that may take long and can be abandoned. A process waits for all threads of ``to_thread`` when
    it ends: a registry that does not answer would keep a server running that was asked to stop.

    Raises:
        Exception: Whatever the function raises.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def tell(result: T | None, error: BaseException | None) -> None:
        if future.cancelled():
            return
        if error is None:
            future.set_result(result)  # type: ignore[arg-type]
        else:
            future.set_exception(error)

    def run() -> None:
        result, error = None, None
        try:
            result = function(*arguments)
        except BaseException as caught:  # noqa: BLE001  raised again where it is awaited
            error = caught
        try:
            loop.call_soon_threadsafe(tell, result, error)
        except RuntimeError:  # the loop has ended meanwhile
            pass

    threading.Thread(target=run, name="detached", daemon=True).start()
    return await future
