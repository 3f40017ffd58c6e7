"""Threads that nobody waits for."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from mlpipes_cli.server.threads import detached

ENDLESS = """
import asyncio, threading
from mlpipes_cli.server.threads import detached

async def main():
    task = asyncio.create_task(detached(threading.Event().wait))
    await asyncio.sleep(0.1)
    task.cancel()

asyncio.run(main())
print("ended")
"""


def test_it_returns_and_raises_what_the_function_does() -> None:
    assert asyncio.run(detached(divmod, 7, 2)) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(detached(divmod, 7, 0))


def test_a_process_ends_before_its_calls() -> None:
    done = subprocess.run([sys.executable, "-c", ENDLESS], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ended\n", "")
