"""Why a candidate's process ended, in one line; and how and when signals end a session."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

from mlpipes_cli.worker.pool import HostEvent


class Terminated(KeyboardInterrupt):
    """A signal other than Ctrl-C that ends a session."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def stop_reason(error: KeyboardInterrupt) -> str:
    """Return why the runs in progress have ended, for their records."""
    number = error.number if isinstance(error, Terminated) else signal.SIGINT
    if number == signal.SIGINT:
        return "stopped by the user (Ctrl-C)"
    return f"stopped by another program ({signal.Signals(number).name})"


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end a session as Ctrl-C does, by a :class:`Terminated`."""

    def interrupt(number: int, _: object) -> None:
        raise Terminated(number)

    before = {}
    try:
        for number in (signal.SIGTERM, signal.SIGHUP):
            before[number] = signal.signal(number, interrupt)
    except ValueError:  # not in the main thread: the caller decides
        pass
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Defer the first signal that ends a session to the end of the block; a second one acts at once.

    For imports: a half-imported module is of no use for results that are still to be recorded.
    """
    came: list[int] = []
    before: dict[int, Any] = {}

    def keep(number: int, _: object) -> None:
        came.append(number)
        give_back()

    def give_back() -> None:
        while before:
            number, handler = before.popitem()
            signal.signal(number, handler)

    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            before[number] = signal.signal(number, keep)
    except ValueError:  # not in the main thread, which gets no signals
        pass
    try:
        yield
    finally:
        give_back()
    if came:
        raise Terminated(came[0])


@contextlib.contextmanager
def heard() -> Iterator[None]:
    """Raise KeyboardInterrupt after Ctrl-C inside the block, even if a library catches the interrupt.

    pandas reports a file whose reading was interrupted as malformed, and some imports ignore the interrupt.
    """
    came = False
    before = signal.getsignal(signal.SIGINT)

    def note(number: int, frame: Any) -> None:
        nonlocal came
        came = True
        if callable(before):
            before(number, frame)

    heeded = callable(before) and threading.current_thread() is threading.main_thread()
    if heeded:
        signal.signal(signal.SIGINT, note)
    try:
        yield
    except Exception:
        if came:
            raise KeyboardInterrupt from None
        raise
    finally:
        if heeded:
            signal.signal(signal.SIGINT, before)
    if came:
        raise KeyboardInterrupt


def reason_of(event: HostEvent, result: dict[str, Any] | None) -> str | None:
    """Return why a candidate failed, in one line; None if it did not."""
    if result is not None and result["status"] == "ok" and event.exit == 0:
        return None
    if result is not None and result["status"] == "failed":
        return str(result["error"])
    if event.reason:
        return event.reason
    if event.lost:
        return "its worker process was killed, most likely because memory ran out; try --parallel 1"
    if event.signal == signal.SIGKILL:
        held = f"; it used {event.max_rss / 2**30:.1f} GiB" if event.max_rss else ""
        advice = "try fewer rows, a smaller model or --parallel 1"
        return f"killed (signal 9), most likely because memory ran out{held}; {advice}"
    if event.signal is not None:
        with contextlib.suppress(ValueError):
            return f"crashed ({signal.Signals(event.signal).name}, signal {event.signal})"
        return f"crashed (signal {event.signal})"
    return f"its process exited with code {event.exit} and left no result"
