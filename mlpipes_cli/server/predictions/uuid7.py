"""Time-ordered identifiers: UUID version 7 of RFC 9562.

Layout (section 5.7): 48 bits of Unix milliseconds, 4 bits version, 12 bits ``rand_a``, 2 bits
variant, 62 bits ``rand_b``. Here ``rand_a`` and the first bits of ``rand_b`` are one counter that
starts at a random value in each millisecond and grows by one for each identifier within it
(section 6.2, method 1), so identifiers of one process never go back, even when the clock does.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from uuid import UUID

_COUNTER_BITS = 26  # 12 bits of rand_a and 14 of rand_b
_TAIL_BITS = 48


class Uuid7Factory:
    """Makes increasing identifiers; may be used from several threads.

    Args:
        clock: Nanoseconds since the epoch.
    """

    def __init__(self, clock: Callable[[], int] = time.time_ns) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._milliseconds = 0
        self._counter = 0

    def __call__(self) -> UUID:
        return UUID(int=self._values(1)[0])

    def texts(self, count: int) -> tuple[list[int], list[str]]:
        """Return that many identifiers: their milliseconds, and the identifiers as text."""
        values = self._values(count)
        return [value >> 80 for value in values], [_text(value) for value in values]

    def _values(self, count: int) -> list[int]:
        random = os.urandom(6 * count + 4)
        found = []
        with self._lock:
            now = self._clock() // 1_000_000
            if now > self._milliseconds:  # the counter's top bit starts at 0: room for 2^25 in a millisecond
                self._milliseconds = now
                self._counter = (int.from_bytes(random[-4:], "big") & ((1 << 25) - 1)) - 1
            for at in range(0, 6 * count, 6):
                self._counter += 1
                if self._counter >> _COUNTER_BITS:
                    self._milliseconds, self._counter = self._milliseconds + 1, 0
                value = self._milliseconds << 80 | 0x7 << 76 | (self._counter >> 14) << 64
                value |= 0b10 << 62 | (self._counter & 0x3FFF) << _TAIL_BITS
                found.append(value | int.from_bytes(random[at : at + 6], "big"))
        return found


def _text(value: int) -> str:
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


uuid7 = Uuid7Factory()


def milliseconds_of(identifier: UUID) -> int:
    """Return the Unix milliseconds inside a version 7 UUID."""
    return identifier.int >> 80
