"""Cron expressions of five fields, in a time zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from cronsim import CronSim

FIELDS = 5
_LEAP_YEARS = (datetime(2001, 1, 1, tzinfo=UTC), datetime(2005, 1, 1, tzinfo=UTC))  # four years, one of them


def looks_like_cron(text: str) -> bool:
    """Return whether a text has the fields of a cron expression, right or wrong."""
    return len(text.split()) >= FIELDS - 1 or text.strip().startswith(("*", "@"))


@dataclass(frozen=True)
class Cron:
    """A cron expression: minute, hour, day of the month, month, day of the week.

    Local times that a change of the clock leaves out or repeats are handled as Debian's cron does: nothing is
    left out or done twice where minute and hour are numbers.

    Attributes:
        expression: Such as ``0 3 * * *``.
        zone: The time zone's name, such as ``Europe/Berlin``.

    Raises:
        ValueError: The expression or the time zone is not valid, or its times never come.
    """

    expression: str
    zone: str = "UTC"

    def __post_init__(self) -> None:
        if len(self.expression.split()) != FIELDS:
            raise ValueError(
                f"expected a cron expression of five fields such as '0 3 * * *', got {self.expression!r}"
            )
        try:
            self._zone  # noqa: B018  raises for an unknown name
        except (KeyError, ValueError, OSError):
            raise ValueError(
                f"there is no time zone {self.zone!r}; use a name such as Europe/Berlin or UTC"
            ) from None
        self._from(_LEAP_YEARS[0])
        if not self._days_in_four_years():
            raise ValueError(f"the cron expression {self.expression!r} names a day that never comes")

    @cached_property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.zone)

    def _from(self, moment: datetime, expression: str = "") -> CronSim:
        from cronsim import CronSim, CronSimError

        try:
            return CronSim(expression or self.expression, moment)
        except CronSimError as error:
            raise ValueError(
                f"{str(error).lower()} in the cron expression {self.expression!r}; the fields are minute,"
                " hour, day of the month, month, day of the week"
            ) from None

    def _days_in_four_years(self) -> int:
        start, end = _LEAP_YEARS
        days = self._from(start - timedelta(seconds=1), f"0 0 {' '.join(self.expression.split()[2:])}")
        found = 0
        for day in days:
            if day >= end:
                break
            found += 1
        return found

    @cached_property
    def period(self) -> timedelta:
        """The time between two of its times, on average over four years."""
        start, end = _LEAP_YEARS
        sample = self._from(start)
        return (end - start) / (self._days_in_four_years() * len(sample.hours) * len(sample.minutes))

    def after(self, moment: datetime) -> datetime:
        """Return the first of its times that is later than a moment, in UTC."""
        return next(self._from(moment.astimezone(self._zone))).astimezone(UTC)
