"""``schedule`` in our files: a time such as ``6h``, a cron expression, or one with its time zone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from mlpipes_cli.config import spans
from mlpipes_cli.config.schedule.cron import Cron, looks_like_cron

_KEYS = {"cron", "timezone"}
SHORTEST = timedelta(seconds=10)
LONGEST = timedelta(days=3650)


@dataclass(frozen=True)
class Schedule:
    """When something is done again.

    Attributes:
        rule: The time between two, or the cron expression.
    """

    rule: timedelta | Cron

    @property
    def period(self) -> timedelta:
        """The time between two, on average."""
        return self.rule.period if isinstance(self.rule, Cron) else self.rule

    def after(self, moment: datetime) -> datetime:
        """Return when it is done next, if it was done at a moment, which has a time zone."""
        return self.rule.after(moment) if isinstance(self.rule, Cron) else moment + self.rule

    def __str__(self) -> str:
        if isinstance(self.rule, Cron):
            return f"by cron {self.rule.expression!r} in {self.rule.zone}"
        return f"every {spans.words(self.rule)}"


def parse(value: Any) -> Schedule:
    """Return the schedule that a value of a file says.

    Raises:
        ValueError: It is not one.
    """
    if isinstance(value, Schedule):
        return value
    if isinstance(value, Mapping):
        if unknown := sorted(str(key) for key in value.keys() - _KEYS):
            raise ValueError(f"there is no key {unknown[0]!r}; use `cron` and `timezone`")
        cron, zone = value.get("cron"), value.get("timezone", "UTC")
        if not isinstance(cron, str) or not isinstance(zone, str):
            raise ValueError("expected {cron: '0 3 * * *', timezone: Europe/Berlin}")
        return Schedule(Cron(cron.strip(), zone))
    if isinstance(value, str) and looks_like_cron(value):
        return Schedule(Cron(value.strip()))
    try:
        span = spans.parse(value)
    except ValueError:
        raise ValueError(
            f"expected a time such as 6h or 1d, or a cron expression such as '0 3 * * *', got {value!r}"
        ) from None
    if not SHORTEST <= span <= LONGEST:
        raise ValueError(f"{spans.words(span)}: use a time from {spans.words(SHORTEST)} to {LONGEST.days}d")
    return Schedule(span)


def _written(schedule: Schedule) -> str | dict[str, str]:
    if isinstance(schedule.rule, timedelta):
        return spans.words(schedule.rule)
    cron = schedule.rule
    return cron.expression if cron.zone == "UTC" else {"cron": cron.expression, "timezone": cron.zone}


ScheduleSetting = Annotated[
    Schedule,
    BeforeValidator(parse),
    PlainSerializer(_written, return_type=str | dict[str, str]),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^[1-9][0-9]{0,5}\s*[smhdw]$|^\s*(\S+\s+){4}\S+\s*$"},
                {
                    "type": "object",
                    "properties": {
                        "cron": {
                            "type": "string",
                            "description": "Minute, hour, day of the month, month, day of the week.",
                        },
                        "timezone": {
                            "type": "string",
                            "default": "UTC",
                            "description": "The time zone, such as Europe/Berlin.",
                        },
                    },
                    "required": ["cron"],
                    "additionalProperties": False,
                },
            ]
        }
    ),
]
"""The type of a field of our files."""
