"""Waiting for what happens elsewhere, and free ports."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable
from typing import Any


def until(true: Callable[[], Any], seconds: float = 60, what: str = "") -> Any:
    """Poll until it is true, and return what it gave.

    A look that takes long is followed by a pause as long: the machine is for what is waited for.
    """
    deadline = time.monotonic() + seconds
    while (began := time.monotonic()) < deadline:
        if found := true():
            return found
        time.sleep(min(max(time.monotonic() - began, 0.02), 0.5))
    raise AssertionError(f"{what or true} did not come true in {seconds:g} s")


def until_answered(process: subprocess.Popen[str], url: str, seconds: float = 120) -> None:
    """Wait for 200 at an address of a process, which may not end before."""
    import httpx

    def answered() -> bool:
        assert process.poll() is None, process.communicate()
        try:
            return httpx.get(url, trust_env=False, timeout=10).status_code == 200
        except httpx.TransportError:
            return False

    until(answered, seconds, url)


def free_port() -> int:
    """A port that nobody has right now."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])
