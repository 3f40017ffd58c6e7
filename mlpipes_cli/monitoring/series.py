"""A series of checks: over which windows each looks, and how long an alarm has lasted."""

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
    *,
    kinds: Mapping[str, Kind] | None = None,
    ranges: Ranges | None = None,
) -> SeriesCheck:
    """Compare the rows of each window with the reference; each gets an equal share of the alpha.

    The probability that any window alarms is at most ``options.alpha`` if nothing changed: expected numbers
    of false alarms add up, so overlapping windows and one reference for all break nothing.

    Args:
        reference: Rows as the model knows them.
        current: The rows of each window, by its number of periods; windows of the same object are compared
            once.
        options: How a comparison decides; its alpha is that of all windows together.
        kinds: As for `compare`.
        ranges: As for `compare`.

    Raises:
        UsageError: There is no window, or a table has two columns of one name.
    """
    from mlpipes_cli.monitoring.compare import compare

    if not current:
        raise UsageError("there is no window to compare")
    each = dataclasses.replace(options, alpha=options.alpha / len(current))
    found: dict[int, Comparison] = {}
    for window in sorted(current):
        same = next((known for known in found if current[known] is current[window]), None)
        found[window] = (
            compare(reference, current[window], each, kinds=kinds, ranges=ranges)
            if same is None
            else found[same]
        )
    return checked(found)


def checked(found: Mapping[int, Comparison]) -> SeriesCheck:
    """Return the check that the comparisons of all windows make, by their number of periods."""
    alarming = [window for window in sorted(found) if found[window].alarm]
    stated = [window for window in sorted(found) if found[window].enough]
    shown = alarming[0] if alarming else stated[-1] if stated else max(found)
    return SeriesCheck(bool(alarming), bool(stated), found[shown].alpha, shown, found)


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
