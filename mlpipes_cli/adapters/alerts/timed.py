"""Ends a wait for a server that holds a connection open."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from mlpipes_cli.errors import MlpipesError

SECONDS = 10.0


def within(seconds: float, call: Callable[[], Any]) -> Any:
    """Return what a call returns, or raise what it raises.

    A server that sends a byte now and then never exceeds the timeout of a socket, so the call has a thread.

    Args:
        seconds: The most time that it may take, in seconds.
        call: The call.

    Raises:
        MlpipesError: It did not return in time.
    """
    ended: list[tuple[bool, Any]] = []

    def run() -> None:
        try:
            ended.append((True, call()))
        except Exception as error:  # noqa: BLE001  raised below, in the caller's thread
            ended.append((False, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if not ended:
        raise MlpipesError(f"no answer within {seconds:g} seconds")
    good, value = ended[0]
    if not good:
        raise value
    return value


def reason(error: BaseException) -> str:
    """Return why a connection failed, in one line without an address or a secret."""
    inner = getattr(error, "reason", None)
    error = inner if isinstance(inner, BaseException) else error
    if type(error).__name__ == "SSLCertVerificationError":
        return "the server's certificate is not valid"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return getattr(error, "strerror", None) or type(error).__name__
