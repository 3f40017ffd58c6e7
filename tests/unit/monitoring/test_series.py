"""A series of checks: its level, its windows and its events."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from mlpipes_cli.errors import UsageError
from mlpipes_cli.monitoring.results import Options
from mlpipes_cli.monitoring.series import Event, Plan, compare_windows, events

START = datetime(2026, 1, 1)


def history(*alarms: bool | None) -> list[tuple[datetime, bool | None]]:
    return [(START + timedelta(days=day), alarm) for day, alarm in enumerate(alarms)]


def test_the_levels_of_a_year_add_up_to_the_false_alarms_that_are_allowed() -> None:
    plan = Plan(365)
    assert plan.alpha(0.05) * 365 * 3 == pytest.approx(1)
    assert Plan(52, 2, (1,)).alpha(0.05) == pytest.approx(2 / 52)
    assert Plan(4, 2, (1,)).alpha(0.05) == 0.05


@pytest.mark.parametrize("wrong", [{"checks_a_year": 0}, {"false_alarms_a_year": -1}, {"windows": ()},
                                   {"windows": (1, 1)}, {"windows": (0,)}])  # fmt: skip
def test_a_plan_that_cannot_be_kept_is_an_error(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Plan(**{"checks_a_year": 365, **wrong})  # type: ignore[arg-type]


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
    found = compare_windows(reference, windows, Options(), Plan(365))
    assert found.alarm and found.windows[28].alarm and not found.windows[1].alarm
    assert found.alpha == pytest.approx(1 / 1095)
    assert found.reported.alpha == found.alpha
    unchanged = {window: reference.sample(len(rows), random_state=2) for window, rows in windows.items()}
    calm = compare_windows(reference, unchanged, Options(), Plan(365))
    assert not calm.alarm and calm.window == 28
    with pytest.raises(UsageError, match="the window of 28 periods"):
        compare_windows(reference, {1: later, 7: later}, Options(), Plan(365))


def test_without_rows_enough_in_any_window_nothing_is_stated() -> None:
    frame = pd.DataFrame({"a": np.arange(60.0)})
    found = compare_windows(frame, {1: frame.head(3)}, Options(), Plan(365, windows=(1,)))
    assert not found.enough and not found.alarm and found.reported.verdict.startswith("too few rows")
