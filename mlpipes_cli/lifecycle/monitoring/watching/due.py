"""When the next scheduled check is due, computed from the stored ones."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlpipes_cli.config.schedule.schedule import Schedule
    from mlpipes_cli.ports.monitoring import LastCheck


@dataclass(frozen=True)
class Due:
    """When the next scheduled check is due, by the clock of the database.

    Attributes:
        now: The present time.
        last: When the last one was made; None if there was none.
        at: When the next one is due; not after ``now`` if it is.
    """

    now: datetime
    last: datetime | None
    at: datetime

    @property
    def is_due(self) -> bool:
        """Whether a check has to be made."""
        return self.at <= self.now


def next_check(schedule: Schedule, found: LastCheck) -> Due:
    """Return when the next check is due: at once without a last one, else at the next time after it.

    Times that were missed are one check. A clock that is set back by up to one period repeats no check, since
    the last one counts although it lies in the future; the caller leaves out those that lie further ahead, so
    a clock that was wrong by more delays nothing.

    Args:
        schedule: The schedule.
        found: The last check, at most one period of the schedule in the future.
    """
    return Due(found.now, found.made, found.now if found.made is None else schedule.after(found.made))
