"""How much of its chance for false alarms a check may use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlpipes_cli.config.monitoring import Monitoring
    from mlpipes_cli.ports.monitoring import StoredCheck

SCHEDULED = "scheduled"
_YEAR = timedelta(days=365)


@dataclass(frozen=True)
class Shares:
    """How a check divides its alpha.

    Attributes:
        rows: The alpha of the comparison of the rows.
        performance: The alpha of the test of the performance in the window.
        patience: Checks until a false alarm of the sequential test, on average at least.
    """

    rows: float
    performance: float
    patience: float


def shares(settings: Monitoring, alpha: float, *, truths: bool, series: bool) -> Shares:
    """Divide the alpha of a check, so that all of its tests together keep to it.

    Args:
        settings: ``monitoring:`` of mlpipes.yaml.
        alpha: The alpha of the check.
        truths: Whether there are truths enough for a statement on the performance.
        series: Whether the check is one of a series, which has a sequential test, too.
    """
    patience = 4 * (_YEAR / settings.schedule.period) / settings.false_alarms
    if not truths:
        return Shares(alpha, 0.0, patience)
    return Shares(alpha / 2, alpha / (4 if series else 2), patience)


def of_schedule(settings: Monitoring, before: Sequence[StoredCheck], now: datetime) -> float:
    """Return the alpha of a scheduled check.

    It is the share of the year's false alarms that falls on the time since the last scheduled check that had
    rows enough. So the alphas of a year add up to the number that the file allows, however often checks are
    made: the expected number of false alarms is at most that, whatever the dependence between checks (Boole's
    inequality). A clock that goes back gives nothing, one that jumps ahead at most ``monitoring: alpha``.

    Args:
        settings: ``monitoring:`` of mlpipes.yaml.
        before: Earlier checks of the version, newest first.
        now: The time of the database.
    """
    last = next((check.checked_at for check in before if check.cause == SCHEDULED and check.enough), None)
    return of_time(settings, settings.schedule.period if last is None else now - last)


def of_time(settings: Monitoring, passed: timedelta) -> float:
    """Return the alpha of a scheduled check, all of its windows together.

    Args:
        settings: ``monitoring:`` of mlpipes.yaml.
        passed: The time since the last scheduled check that had rows enough.
    """
    return min(settings.alpha, settings.false_alarms * (max(passed, timedelta(seconds=1)) / _YEAR))
