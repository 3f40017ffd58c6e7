"""Schedules of our files: times, cron expressions, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mlpipes_cli.config.monitoring import Monitoring
from mlpipes_cli.config.schedule.schedule import parse

BERLIN = {"cron": "30 2 * * *", "timezone": "Europe/Berlin"}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "after", "then", "period", "words"),
    [
        ("6h", "2026-03-01T12:00", "2026-03-01T18:00", timedelta(hours=6), "every 6h"),
        ("15s", "2026-03-01T23:59:50", "2026-03-02T00:00:05", timedelta(seconds=15), "every 15s"),
        ("* * * * *", "2026-03-01T03:07:20", "2026-03-01T03:08", timedelta(minutes=1),
         "by cron '* * * * *' in UTC"),
        ("0 3 * * *", "2026-03-01T03:00", "2026-03-02T03:00", timedelta(days=1),
         "by cron '0 3 * * *' in UTC"),
        ("*/30 * * * *", "2026-03-01T03:07", "2026-03-01T03:30", timedelta(minutes=30),
         "by cron '*/30 * * * *' in UTC"),
        ("0 6 * * mon", "2026-03-03T00:00", "2026-03-09T06:00", timedelta(days=1461) / 209,
         "by cron '0 6 * * mon' in UTC"),
        (BERLIN, "2026-03-27T12:00", "2026-03-28T01:30", timedelta(days=1),
         "by cron '30 2 * * *' in Europe/Berlin"),
        # 02:30 does not exist on that day, and exists twice on the other: once each
        (BERLIN, "2026-03-28T12:00", "2026-03-29T01:00", timedelta(days=1),
         "by cron '30 2 * * *' in Europe/Berlin"),
        (BERLIN, "2026-10-25T00:30", "2026-10-26T01:30", timedelta(days=1),
         "by cron '30 2 * * *' in Europe/Berlin"),
    ],
)  # fmt: skip
def test_the_next_time_and_the_time_between_two(
    schedule: Any, after: str, then: str, period: timedelta, words: str
) -> None:
    found = parse(schedule)
    assert (found.after(at(after)), found.period, str(found)) == (at(then), period, words)
    settings = Monitoring.model_validate({"schedule": schedule})
    assert settings.schedule == found
    assert settings.model_dump(mode="json")["schedule"] == schedule


@pytest.mark.parametrize(
    ("schedule", "why"),
    [
        ("0 3 * *", "expected a cron expression of five fields"),
        ("0 0 3 * * *", "expected a cron expression of five fields"),
        ("@daily", "expected a cron expression of five fields"),
        ("0 25 * * *", "bad hour in the cron expression '0 25 \\* \\* \\*'; the fields are minute"),
        ("0 0 30 2 *", "bad day-of-month"),
        ("5s", "5s: use a time from 10s to 3650d"),
        ("soon", "expected a time such as 6h or 1d, or a cron expression"),
        (7, "expected a time such as 6h or 1d, or a cron expression"),
        ({"cron": "0 3 * * *", "timezone": "Mars/One"}, "there is no time zone 'Mars/One'"),
        ({"cron": "0 3 * * *", "zone": "UTC"}, "there is no key 'zone'"),
        ({"timezone": "UTC"}, "expected {cron:"),
    ],
)
def test_what_is_no_schedule_is_refused_with_the_way_out(schedule: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse(schedule)
