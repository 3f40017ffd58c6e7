"""How fast rows may come into the spool while it is being replayed: slower than they go out."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

_SHARE = 0.5  # of what was replayed may come in anew, so what waits gets less and less
_MOST = 5000.0  # rows that may come in at once after a quiet time


class RateLimit:
    """Holds writes back while a replay goes on, so that it comes to its end under any load.

    Args:
        longest: Seconds that a write waits at most, whatever the database does.
    """

    def __init__(self, longest: float) -> None:
        self._longest = longest
        self._flows, self._credit = False, 0.0
        self._turn = asyncio.Event()

    def replayed(self, rows: int) -> None:
        """So many went into the database."""
        self._credit = min(self._credit + rows * _SHARE, _MOST)
        self._flows = True
        self._next()

    def stopped(self) -> None:
        """Nothing goes into the database at the moment: nobody is held back."""
        self._flows, self._credit = False, 0.0
        self._next()

    async def wait(self, rows: int, since: float) -> bool:
        """Take one's turn, or wait for a chance of one.

        Args:
            rows: So many are to come in.
            since: ``time.monotonic()`` when the write began to wait.

        Returns:
            Whether it waited, so that things may have changed; else it is its turn.
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
