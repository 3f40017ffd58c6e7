"""When checks are made while the clock jumps: the decision, played through minute by minute."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from mlpipes_cli.config.schedule.schedule import Schedule, parse
from mlpipes_cli.lifecycle.monitoring.watching.due import next_check
from mlpipes_cli.ports.monitoring import LastCheck

START, HOUR, DAY = datetime(2026, 3, 1, 0, 30, tzinfo=UTC), timedelta(hours=1), timedelta(days=1)
LOOK = timedelta(minutes=5)


def played(
    schedule: Schedule, days: int, clock: Callable[[datetime], datetime]
) -> list[tuple[datetime, datetime]]:
    """The checks of some days: the real time and the clock's time of each."""
    checks: list[tuple[datetime, datetime]] = []
    real = START
    while real < START + days * DAY:
        now = clock(real)
        known = [shown for _, shown in checks if shown <= now + schedule.period]
        if next_check(schedule, LastCheck(now, max(known, default=None))).is_due:
            checks.append((real, now))
        real += LOOK
    return checks


def back(by: timedelta, at: timedelta) -> Callable[[datetime], datetime]:
    return lambda real: real - by if real >= START + at else real


def away(by: timedelta, since: timedelta, until: timedelta) -> Callable[[datetime], datetime]:
    return lambda real: real + by if START + since <= real < START + until else real


@pytest.mark.parametrize("schedule", ["1d", "0 3 * * *"])
def test_with_a_right_clock_there_is_one_check_a_day_and_the_first_at_once(schedule: str) -> None:
    checks = played(parse(schedule), 10, lambda real: real)
    assert checks[0][0] == START
    assert len(checks) == (10 if schedule == "1d" else 11)
    assert {later - first for (first, _), (later, _) in pairwise(checks[1:])} == {DAY}


@pytest.mark.parametrize("hours", [1, 5, 23])
def test_a_clock_that_is_set_back_repeats_no_check_and_loses_none(hours: int) -> None:
    """At 04:00 of the third day, after the check of 03:00; the day has so many hours more."""
    checks = played(parse("0 3 * * *"), 10, back(hours * HOUR, 3 * DAY + 3.5 * HOUR))
    days = [shown.date() for _, shown in checks[1:]]
    assert days == sorted(set(days)) and len(days) >= 9
    every = played(parse("1d"), 10, back(hours * HOUR, 3 * DAY + 0.5 * HOUR))
    gaps = [later - first for (first, _), (later, _) in pairwise(every)]
    assert min(gaps) == DAY and max(gaps) == DAY + hours * HOUR and gaps.count(DAY) == len(gaps) - 1


@pytest.mark.parametrize("schedule", ["1d", "0 3 * * *"])
def test_a_clock_that_jumps_ahead_makes_one_check_and_one_that_was_days_ahead_delays_nothing(
    schedule: str,
) -> None:
    checks = played(parse(schedule), 20, away(40 * DAY, 5.5 * DAY, 5.6 * DAY))
    wrong = [real for real, shown in checks if shown != real]
    assert len(wrong) == 1  # for all the days that it seems to have missed
    right = [real for real, shown in checks if shown == real]
    assert max(later - first for first, later in pairwise(right[1:])) == DAY


def test_missed_time_is_one_check() -> None:
    schedule = parse("0 3 * * *")
    found = next_check(schedule, LastCheck(START + 9 * DAY, START))
    assert found.is_due and found.at == datetime(2026, 3, 1, 3, tzinfo=UTC)
    assert not next_check(schedule, LastCheck(START + 9 * DAY, START + 9 * DAY - HOUR)).is_due
