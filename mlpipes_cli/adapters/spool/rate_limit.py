"""Limits the rate of rows into the spool during a replay to less than the rate out of it."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

_SHARE = 0.5  # share of the replayed rows that may come in, so that fewer and fewer wait
_MOST = 5000.0  # rows that may come in at once after an idle time


class RateLimit:
    """Delays writes during a replay, so that the replay ends under any load.

    Args:
        longest: The most seconds that a write waits, whatever the database does.
    """

    def __init__(self, longest: float) -> None:
        self._longest = longest
        self._flows, self._credit = False, 0.0
        self._turn = asyncio.Event()

    def replayed(self, rows: int) -> None:
        """Count rows that were stored in the database."""
        self._credit = min(self._credit + rows * _SHARE, _MOST)
        self._flows = True
        self._next()

    def stopped(self) -> None:
        """Note that nothing goes into the database at the moment, so that no write is delayed."""
        self._flows, self._credit = False, 0.0
        self._next()

    async def wait(self, rows: int, since: float) -> bool:
        """Wait until the rows may come in, or until the state may have changed.

        Args:
            rows: The number of rows that are to come in.
            since: ``time.monotonic()`` when the write began to wait.

        Returns:
            Whether it waited, so that the caller has to look again; False: the rows may come in.
        """
        left = since + self._longest - time.monotonic()
        if not self._flows or self._credit > 0 or left <= 0:
            self._credit -= rows if self._flows else 0
            return False
        with suppress(TimeoutError):
            async with asyncio.timeout(left):
                await self._turn.wait()
        return True

    def _next(self) -> None:
        self._turn.set()
        self._turn = asyncio.Event()
