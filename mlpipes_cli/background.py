"""Run calls in daemon threads: the process can exit although one of them still runs."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def run_in_background(call: Callable[[], T]) -> Future[T]:
    """Make a call in a thread of its own; the future holds what the call returns or raises."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 (raised again when the result is requested)
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def run_concurrently(calls: Sequence[Callable[[], object]], at_a_time: int) -> None:
    """Make calls that mostly wait, at most ``at_a_time`` of them at once.

    Raises:
        Exception: The exception of a failed call; calls that have not started by then are not made.
    """
    waiting = deque(calls)

    def work() -> None:
        while True:
            try:
                call = waiting.popleft()
            except IndexError:
                return
            try:
                call()
            except BaseException:
                waiting.clear()
                raise

    working = [run_in_background(work) for _ in range(min(at_a_time, len(calls)))]
    try:
        for future in working:
            future.result()
    finally:
        waiting.clear()
