"""Which windows a check looks at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from mlpipes_cli.errors import UsageError
from mlpipes_cli.lifecycle.monitoring.asked import Asked, Bounds, windows

NOW, DAY = datetime(2026, 3, 1, tzinfo=UTC), timedelta(days=1)
PROJECT: Any = SimpleNamespace(config=SimpleNamespace(monitoring=SimpleNamespace(window=DAY)))


def days(asked: Asked, *, series: bool = True) -> list[tuple[int, float | None]]:
    """The periods of each window, and how many days before now it begins."""
    found = windows(PROJECT, asked, NOW, series=series)
    return [
        (one.periods, None if one.since is None else (NOW.timestamp() - one.since) / 86_400) for one in found
    ]


def test_a_scheduled_check_looks_at_three_windows_that_end_now() -> None:
    assert days(Asked()) == [(1, 1), (7, 7), (28, 28)]
    assert {one.until for one in windows(PROJECT, Asked(), NOW, series=True)} == {NOW.timestamp()}
    assert days(Asked(until="1d")) == [(1, 2), (7, 8), (28, 29)]


def test_one_that_comes_late_looks_back_to_the_last_one_in_every_window() -> None:
    assert days(Asked(missed=NOW - 10 * DAY)) == [(1, 10), (7, 10), (28, 28)]
    assert days(Asked(missed=NOW - DAY / 2)) == [(1, 1), (7, 7), (28, 28)]


def test_a_window_that_is_asked_for_is_the_only_one() -> None:
    assert days(Asked(since="3d")) == [(1, 3)]
    assert days(Asked(), series=False) == [(1, 1)]
    assert windows(PROJECT, Asked(rows=100), NOW, series=True) == [Bounds(1, None, None)]
    with pytest.raises(UsageError, match="--since is not before --until"):
        windows(PROJECT, Asked(since="1d", until="2d"), NOW, series=True)
