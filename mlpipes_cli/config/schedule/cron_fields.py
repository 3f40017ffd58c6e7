"""Cron expressions of our files: minute, hour, day of the month, month and day of the week."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator

if TYPE_CHECKING:
    from cronsim import CronSim

FIELDS = ("minute", "hour", "day", "month", "day of the week")
_ALL = (60, 24, 31, 12, 7)


@dataclass(frozen=True)
class CronFields:
    """The moments of an expression as numbers.

    Attributes:
        minutes: From 0 to 59.
        hours: From 0 to 23.
        days: Of the month, from 1.
        months: From 1.
        weekdays: From 0, Sunday, to 6.
        either_day: Whether a day of the month or a day of the week is enough; else both have to fit.
    """

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]
    either_day: bool

    def every(self, field: str) -> bool:
        """Return whether an attribute has all of its values."""
        names = ("minutes", "hours", "days", "months", "weekdays")
        return len(getattr(self, field)) == _ALL[names.index(field)]


def parse(expression: str, start: datetime | None = None) -> CronSim:
    """Return the moments of an expression, an iterator, as cron has them.

    Args:
        expression: Five fields.
        start: The first moment is after this one, in its time zone; by default now, UTC.

    Raises:
        ValueError: The expression is wrong, or has no moment.
    """
    from cronsim import CronSim, CronSimError

    parts = expression.split()
    wrong = f"{expression!r} is not a cron expression of five fields ({', '.join(FIELDS)})"
    if len(parts) != len(FIELDS) or _has_extensions(expression):
        raise ValueError(wrong)
    try:
        moments = CronSim(expression, start or datetime.now(UTC))
        next(iter(CronSim(expression, start or datetime.now(UTC))))
    except CronSimError as error:
        raise ValueError(f"{wrong}: {str(error)[:1].lower()}{str(error)[1:]}") from None
    except StopIteration:
        raise ValueError(f"{expression!r}: there is no such day") from None
    return moments


def _has_extensions(expression: str) -> bool:
    """Return whether it has what only some programs know: the last day (L), the nth weekday (#)."""
    return bool(set("L#") & set(expression.upper().replace("JUL", "")))


def fields(expression: str) -> CronFields:
    """Return the numbers of an expression.

    Raises:
        ValueError: The expression is wrong.
    """
    found = parse(expression)
    weekdays = {day % 7 for day in found.weekdays if isinstance(day, int)}
    return CronFields(
        tuple(sorted(found.minutes)),
        tuple(sorted(found.hours)),
        tuple(sorted(found.days)),
        tuple(sorted(found.months)),
        tuple(sorted(weekdays)),
        not found.day_and,
    )


def _checked(expression: str) -> str:
    parse(expression)
    return " ".join(expression.split())


CronExpression = Annotated[str, AfterValidator(_checked)]
