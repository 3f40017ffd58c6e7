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
    """Makes identifiers that grow; may be used from several threads.

    Args:
        clock: Nanoseconds since the epoch.
    """

    def __init__(self, clock: Callable[[], int] = time.time_ns) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._milliseconds = 0
        self._counter = 0

    def __call__(self) -> UUID:
        random = int.from_bytes(os.urandom(10), "big")
        tail = random & ((1 << _TAIL_BITS) - 1)
        with self._lock:
            now = self._clock() // 1_000_000
            if now > self._milliseconds:  # the counter's top bit starts at 0: room for 2^25 in a millisecond
                self._milliseconds, self._counter = now, (random >> _TAIL_BITS) & ((1 << 25) - 1)
            else:
                self._counter += 1
                if self._counter >> _COUNTER_BITS:
                    self._milliseconds, self._counter = self._milliseconds + 1, 0
            milliseconds, counter = self._milliseconds, self._counter
        value = milliseconds << 80 | 0x7 << 76 | (counter >> 14) << 64
        value |= 0b10 << 62 | (counter & 0x3FFF) << _TAIL_BITS | tail
        return UUID(int=value)


uuid7 = Uuid7Factory()


def milliseconds_of(identifier: UUID) -> int:
    """The Unix milliseconds inside a version 7 UUID."""
    return identifier.int >> 80
