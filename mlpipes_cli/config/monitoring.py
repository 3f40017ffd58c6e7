"""``monitoring`` in ``mlpipes.yaml``: how a model in use is compared with what it was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field, field_validator

from mlpipes_cli.config.base import Strict
from mlpipes_cli.config.monitoring_alerts import AlertChannel
from mlpipes_cli.config.retraining.settings import Retrain
from mlpipes_cli.config.schedule.schedule import LONGEST, SHORTEST, Schedule, ScheduleSetting
from mlpipes_cli.config.spans import Span, parse, words

Effect = Annotated[float, Field(ge=0.0, lt=1.0)]
ColumnName = Annotated[str, Field(min_length=1)]


def _span(default: str, description: str) -> Any:
    """Return a field whose default stands in the JSON Schema as people write it."""
    return Field(default=parse(default), description=description, json_schema_extra={"default": default})


class MonitoredColumn(Strict):
    """What is special about one input, ``prediction`` or ``score``."""

    min_effect: Effect | None = Field(
        default=None,
        description="The smallest change of this column that matters, in place of the general one.",
    )
    ignore: bool = Field(default=False, description="Do not compare this column.")


class Monitoring(Strict):
    """How `mlpipes monitor` decides, and how long its checks are kept.

    ``alpha`` bounds the false alarms of one check, all columns and the performance together;
    ``false_alarms`` those of a year of scheduled checks.
    """

    alpha: Annotated[float, Field(gt=0.0, le=0.5)] = Field(
        default=0.05,
        description="The probability of a false alarm of one check that a person starts, over all columns.",
    )
    min_effect: Effect = Field(
        default=0.1,
        description="The smallest change that matters, from 0 (every change that is not chance) to 1.",
    )
    columns: Mapping[ColumnName, MonitoredColumn] = Field(
        default={}, description="Columns with a bound of their own, or that are not compared, by name."
    )
    joint: bool = Field(
        default=True, description="Also look for a change of several columns that no single column shows."
    )
    segments: tuple[ColumnName, ...] = Field(
        default=(), description="Columns by whose values the performance is looked at, too."
    )
    window: Span = _span(
        "1d",
        "The time before now that a check looks at by default: 12h, 7d. Scheduled checks look at 7 and 28"
        " times as much, too.",
    )
    schedule: ScheduleSetting = Field(
        default=Schedule(parse("1d")),
        description="When scheduled checks are made: the time between two, 6h or 1d, or a cron expression in"
        " UTC, `0 3 * * *`; of another time zone `{cron: 0 3 * * *, timezone: Europe/Berlin}`.",
        json_schema_extra={"default": "1d"},
    )
    false_alarms: Annotated[float, Field(gt=0.0, le=100.0)] = Field(
        default=1.0, description="How many false alarms the scheduled checks of a version may give in a year."
    )
    keep: Span = _span(
        "730d", "How long checks are kept: 90d, 104w. The newest 100 of each version always stay."
    )

    alerts: Annotated[tuple[AlertChannel, ...], Field(max_length=20)] = Field(
        default=(), description="Who hears of an alarm, and of its end: webhooks, mail, commands."
    )
    retrain: Retrain | None = Field(
        default=None, description="Train again after a check; without it nothing starts by itself."
    )

    @field_validator("alerts")
    @classmethod
    def _named_once(cls, alerts: tuple[AlertChannel, ...]) -> tuple[AlertChannel, ...]:
        names = [alert.name for alert in alerts]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"duplicate name {twice[0]!r}; each alert needs its own")
        return alerts

    @field_validator("window", "keep")
    @classmethod
    def _in_bounds(cls, span: timedelta) -> timedelta:
        if not SHORTEST <= span <= LONGEST:
            raise ValueError(f"{words(span)}: use a time from {words(SHORTEST)} to {LONGEST.days}d")
        return span

    @property
    def ignored(self) -> tuple[str, ...]:
        """The columns that are not compared."""
        return tuple(name for name, column in self.columns.items() if column.ignore)

    @property
    def floors(self) -> dict[str, float]:
        """The smallest change that matters, by column; only where it differs from the general one."""
        found = {name: column.min_effect for name, column in self.columns.items()}
        return {name: floor for name, floor in found.items() if floor is not None}
