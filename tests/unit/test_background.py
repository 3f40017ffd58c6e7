from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from mlpipes_cli.background import run_concurrently, run_in_background


def test_the_future_has_what_the_call_returns_or_raises() -> None:
    assert run_in_background(lambda: 3).result() == 3
    with pytest.raises(ZeroDivisionError):
        run_in_background(lambda: 1 // 0).result()


def test_so_many_run_at_a_time_and_all_are_made() -> None:
    lock, meeting = threading.Lock(), threading.Barrier(3, timeout=30)
    now = most = made = 0

    def call() -> None:
        nonlocal now, most, made
        with lock:
            now, made = now + 1, made + 1
            most = max(most, now)
        meeting.wait()  # only three together get further
        with lock:
            now -= 1
        meeting.wait()

    run_concurrently([call] * 9, 3)
    assert (most, made) == (3, 9)
    run_concurrently([], 3)


def test_a_failure_is_told_and_the_rest_is_not_begun() -> None:
    made: list[int] = []

    def call(number: int) -> None:
        made.append(number)
        if number == 1:
            raise ValueError("number 1")

    with pytest.raises(ValueError, match="number 1"):
        run_concurrently([lambda number=number: call(number) for number in range(50)], 1)
    assert made == [0, 1]


def test_a_process_ends_although_a_call_does_not() -> None:
    program = (
        "import threading; from mlpipes_cli.background import run_in_background; "
        "run_in_background(threading.Event().wait)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
