from __future__ import annotations

import threading
import time
import uuid

from mlpipes_cli.server.predictions.uuid7 import Uuid7Factory, milliseconds_of, uuid7


def test_layout_is_that_of_the_rfc() -> None:
    made = uuid7()
    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    assert abs(milliseconds_of(made) - time.time() * 1000) < 5000


def test_the_time_stands_in_the_first_48_bits() -> None:
    made = Uuid7Factory(lambda: 0x017F22E279B0 * 1_000_000)()  # the moment of the RFC's example
    assert str(made).startswith("017f22e2-79b0-7")


def test_identifiers_of_a_process_only_grow() -> None:
    made = [uuid7() for _ in range(20_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_a_clock_that_goes_back_does_not_matter() -> None:
    times = iter([5_000_000_000, 4_000_000_000, 5_000_000_000, 6_000_000_000])
    factory = Uuid7Factory(lambda: next(times))
    made = [factory() for _ in range(4)]
    assert made == sorted(made)
    assert milliseconds_of(made[1]) == 5000


def test_a_counter_that_runs_over_borrows_from_the_next_millisecond() -> None:
    factory = Uuid7Factory(lambda: 7_000_000)
    first = factory()
    factory._counter = (1 << 26) - 1
    second, third = factory(), factory()
    assert first < second < third
    assert milliseconds_of(second) == 8


def test_threads_never_share_one() -> None:
    made: list[uuid.UUID] = []
    threads = [threading.Thread(target=lambda: made.extend(uuid7() for _ in range(3000))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 12_000
