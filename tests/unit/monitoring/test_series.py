"""A series of checks: its level, its windows and its events."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from mlpipes_cli.errors import UsageError
from mlpipes_cli.monitoring.results import Options
from mlpipes_cli.monitoring.series import WINDOWS, Event, compare_windows, events

START = datetime(2026, 1, 1)


def history(*alarms: bool | None) -> list[tuple[datetime, bool | None]]:
    return [(START + timedelta(days=day), alarm) for day, alarm in enumerate(alarms)]


def test_consecutive_alarms_are_one_event() -> None:
    found = events(history(False, True, True, None, True, False, None, True))
    day = [START + timedelta(days=number) for number in range(8)]
    assert found == [Event(day[1], day[4], 3, False), Event(day[7], day[7], 1, True)]
    assert events(history(True, None))[0].lasting  # a check that states nothing ends nothing
    assert events(history(False, None)) == events([]) == []
    assert events(list(reversed(history(True, True, False))))[0].checks == 2


def test_a_small_change_is_seen_in_the_long_window_alone() -> None:
    rng = np.random.default_rng(1)
    reference = pd.DataFrame({"a": rng.normal(size=3000), "b": rng.normal(size=3000)})
    later = pd.DataFrame({"a": rng.normal(0.2, 1, 2800), "b": rng.normal(size=2800)})
    windows = {1: later.tail(100), 7: later.tail(700), 28: later}
    found = compare_windows(reference, windows, Options(alpha=1 / 365))
    assert found.alarm and found.windows[28].alarm and not found.windows[1].alarm
    assert found.alpha == pytest.approx(1 / 1095)
    assert found.reported.alpha == found.alpha
    unchanged = {window: reference.sample(len(rows), random_state=2) for window, rows in windows.items()}
    calm = compare_windows(reference, unchanged, Options(alpha=1 / 365))
    assert not calm.alarm and calm.window == 28
    with pytest.raises(UsageError, match="there is no window"):
        compare_windows(reference, {}, Options())


def test_windows_of_the_same_rows_are_compared_once_at_the_same_share_of_the_alpha() -> None:
    rng = np.random.default_rng(2)
    reference, rows = (pd.DataFrame({"a": rng.normal(size=500)}) for _ in range(2))
    found = compare_windows(reference, dict.fromkeys(WINDOWS, rows), Options(alpha=0.03))
    assert found.windows[1] is found.windows[28]
    assert found.alpha == pytest.approx(0.01)
    empty = compare_windows(reference, {1: rows.head(0), 7: rows}, Options(alpha=0.03))
    assert not empty.windows[1].enough and empty.enough and empty.window == 7


def test_without_rows_enough_in_any_window_nothing_is_stated() -> None:
    frame = pd.DataFrame({"a": np.arange(60.0)})
    found = compare_windows(frame, {1: frame.head(3)}, Options())
    assert not found.enough and not found.alarm and found.reported.verdict.startswith("too few rows")
