"""A series of checks: how many false alarms a year there may be, and how long an alarm has lasted."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from mlpipes_cli.errors import UsageError
from mlpipes_cli.monitoring.results import Comparison, Options

if TYPE_CHECKING:
    import pandas as pd

    from mlpipes_cli.monitoring.compare import Ranges
    from mlpipes_cli.monitoring.results import Kind

WINDOWS = (1, 7, 28)  # periods: a sudden change shows in the newest, a small one in many


@dataclass(frozen=True)
class Plan:
    """How often a model is checked, and how many false alarms that may give.

    Attributes:
        checks_a_year: How many checks a year there are, such as 365.
        false_alarms_a_year: How many false alarms a year are expected at most, if nothing ever changes.
        windows: How many periods back each check looks, once for each.

    Raises:
        UsageError: A number is not positive, or there is no window.
    """

    checks_a_year: float
    false_alarms_a_year: float = 1.0
    windows: tuple[int, ...] = WINDOWS

    def __post_init__(self) -> None:
        for name in ("checks_a_year", "false_alarms_a_year"):
            if not getattr(self, name) > 0:
                raise UsageError(f"{name}: {getattr(self, name)!r} is not positive", "set a number above 0")
        if not self.windows or min(self.windows) < 1 or len(set(self.windows)) < len(self.windows):
            raise UsageError(f"windows: {list(self.windows)!r}", "list distinct numbers of periods, from 1")

    def alpha(self, most: float) -> float:
        """Return the level of each single comparison, at most `most`.

        The levels of all comparisons of a year add up to the false alarms that are allowed. Expectations add
        up whatever the comparisons have to do with each other, so overlapping windows, one reference for all
        and a check that is missed change nothing.
        """
        return min(self.false_alarms_a_year / (self.checks_a_year * len(self.windows)), most)


@dataclass(frozen=True)
class SeriesCheck:
    """One check of a series.

    Attributes:
        alarm: Whether the comparison of any window alarms.
        enough: Whether any window has rows enough for a statement.
        alpha: The level of each comparison.
        window: The window that is reported: the shortest that alarms, else the longest with rows enough.
        windows: The comparison of each window, by its number of periods.
    """

    alarm: bool
    enough: bool
    alpha: float
    window: int
    windows: Mapping[int, Comparison]

    @property
    def reported(self) -> Comparison:
        """The comparison that is reported."""
        return self.windows[self.window]


def compare_windows(
    reference: pd.DataFrame,
    current: Mapping[int, pd.DataFrame],
    options: Options,
    plan: Plan,
    *,
    kinds: Mapping[str, Kind] | None = None,
    ranges: Ranges | None = None,
) -> SeriesCheck:
    """Compare the rows of each window with the reference, at the level that the plan allows.

    Args:
        reference: Rows as the model knows them.
        current: The rows of each window, by its number of periods.
        options: How a comparison decides; its alpha is the most that one may have.
        plan: How often is checked.
        kinds: As for `compare`.
        ranges: As for `compare`.

    Raises:
        UsageError: A window of the plan has no rows given, or a table has two columns of one name.
    """
    from mlpipes_cli.monitoring.compare import compare

    lacking = [window for window in plan.windows if window not in current]
    if lacking:
        raise UsageError(f"no rows for the window of {lacking[0]} periods")
    alpha = plan.alpha(options.alpha)
    each = dataclasses.replace(options, alpha=alpha)
    found = {
        window: compare(reference, current[window], each, kinds=kinds, ranges=ranges)
        for window in sorted(plan.windows)
    }
    alarming = [window for window, comparison in found.items() if comparison.alarm]
    stated = [window for window, comparison in found.items() if comparison.enough]
    shown = alarming[0] if alarming else stated[-1] if stated else max(found)
    return SeriesCheck(bool(alarming), bool(stated), alpha, shown, found)


@dataclass(frozen=True)
class Event:
    """Consecutive checks that alarm: one event, which is reported once.

    Attributes:
        since: The time of its first check.
        until: The time of its last check.
        checks: How many checks alarmed.
        lasting: Whether the newest check that stated anything alarmed too.
    """

    since: datetime
    until: datetime
    checks: int
    lasting: bool


def events(history: Sequence[tuple[datetime, bool | None]]) -> list[Event]:
    """Return the events of a series, the oldest first.

    Args:
        history: The time of each check and whether it alarmed, None if it could state nothing, in any
            order; such a check neither ends an event nor begins one.
    """
    runs: list[list[datetime]] = []
    open_run = False
    for time, alarm in sorted(history, key=lambda check: check[0]):
        if alarm is None:
            continue
        if alarm and not open_run:
            runs.append([])
        if alarm:
            runs[-1].append(time)
        open_run = alarm
    return [
        Event(run[0], run[-1], len(run), open_run and index == len(runs) - 1)
        for index, run in enumerate(runs)
    ]
