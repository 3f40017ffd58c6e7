"""When a check that could not be made is tried again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from mlpipes_cli.lifecycle.monitoring.watch import _pause, _Retries
from mlpipes_cli.lifecycle.monitoring.watching.due import Due

NOW, MINUTE, HOUR = datetime(2026, 3, 1, tzinfo=UTC), timedelta(minutes=1), timedelta(hours=1)


def test_the_wait_doubles_up_to_the_schedule_and_begins_anew_after_a_check() -> None:
    retries, now, waits = _Retries(HOUR), NOW, []
    assert retries.may(now)
    for _ in range(9):
        retries.failed(now)
        waits.append(retries.wait // MINUTE)
        assert not retries.may(now + retries.wait - MINUTE / 2)
        now += retries.wait
        assert retries.may(now)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    retries.worked()
    retries.failed(now)
    assert retries.wait == MINUTE


def test_a_clock_that_is_set_back_does_not_stop_the_next_try() -> None:
    retries = _Retries(HOUR)
    retries.failed(NOW)
    assert not retries.may(NOW) and retries.may(NOW - 5 * HOUR)


def test_the_next_look_is_when_a_check_is_due_at_most_after_a_minute() -> None:
    retries = _Retries(HOUR)
    assert _pause(Due(NOW, NOW, NOW + MINUTE / 4), retries) == 15
    assert _pause(Due(NOW, NOW, NOW + HOUR), retries) == 60
    assert _pause(Due(NOW, NOW - HOUR, NOW - MINUTE), retries) == 0  # a training took longer
    retries.failed(NOW)
    assert _pause(Due(NOW, NOW - HOUR, NOW - MINUTE), retries) == 60
