"""What one check of a model says, as ``mlpipes monitor --json`` prints it and the database keeps it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlpipes_cli.errors import Refused
from mlpipes_cli.tabular import Tabular

if TYPE_CHECKING:
    from mlpipes_cli.monitoring.performance_results import PerformanceCheck
    from mlpipes_cli.monitoring.results import ColumnCheck, JointCheck


@dataclass(frozen=True)
class Window:
    """The rows that a check looked at.

    Attributes:
        since: Start of the window, ISO 8601 in UTC; None where it was given in rows, and for a file.
        until: Its end; None for a file.
        first: When the oldest prediction in it was made; None without predictions, and for a file.
        last: When the newest one was made.
        predictions: Predictions of the version in the window; rows of a file.
        mirrored: How many of them were mirrored, not answered.
        others: Predictions of other versions of the model, which are not compared.
        sampled: Whether only a random part of the predictions was read, because there are very many.
        repeated: Predictions that are left out because the same caller id was scored again later.
        file: The file with the current rows, or None.
        reference: The file with the reference, or None for the rows that travel with the model.
    """

    since: str | None
    until: str | None
    first: str | None
    last: str | None
    predictions: int
    mirrored: int = 0
    others: int = 0
    sampled: bool = False
    repeated: int = 0
    file: str | None = None
    reference: str | None = None


@dataclass(frozen=True)
class CheckedWindow:
    """One of the windows that a scheduled check compared.

    Attributes:
        periods: How many times as long as the settings' window it is: 1, 7 or 28.
        since: Its start, ISO 8601 in UTC.
        until: Its end.
        rows: Rows that were compared.
        alarm: Whether a column or the joint check raises an alarm.
        enough: Whether there were rows enough for a statement.
        alpha: The probability of a false alarm that its comparison keeps to.
        columns: Names of what alarms: inputs, predictions and scores, the largest effect first.
        verdict: One sentence.
    """

    periods: int
    since: str | None
    until: str | None
    rows: int
    alarm: bool
    enough: bool
    alpha: float
    columns: Sequence[str]
    verdict: str


@dataclass(frozen=True)
class Monitored(Tabular):
    """The result of one check.

    Attributes:
        model: The registered model's name; None for two files.
        version: Its version; None for two files.
        alias: The alias by which the version was chosen, or None.
        window: The rows that the check looked at. Of several windows it is the one that is reported: the
            shortest that alarms, else the longest with rows enough; so are rows, columns, predictions, joint.
        rows: Rows that were compared.
        reference_rows: Rows of the reference.
        alarm: Whether a column, the joint check or the performance raises an alarm.
        enough: Whether there were rows enough for a statement.
        verdict: One sentence.
        alpha: The probability of a false alarm that the whole check keeps to.
        columns: Every compared input; first those that alarm, then by effect, the largest first.
        predictions: The same for the predictions and the scores, by name; empty for two files.
        joint: The check of all inputs together; None if it was not asked for.
        performance: The performance on predictions with ground truth, or None.
        report: The file with the report, or None.
        notes: What else to know, one line each.
        id: The identifier of the stored check, a UUID version 7; None for two files.
        checked_at: When the check was made, ISO 8601 in UTC.
        cause: manual, scheduled or what else made the check.
        actor: Who made it.
        seconds: How long it took.
        windows: Each window that was compared, the shortest first; empty where there is only one.
    """

    model: str | None
    version: int | None
    alias: str | None
    window: Window
    rows: int
    reference_rows: int
    alarm: bool
    enough: bool
    verdict: str
    alpha: float
    columns: Sequence[ColumnCheck]
    predictions: Mapping[str, ColumnCheck]
    joint: JointCheck | None
    performance: PerformanceCheck | None
    report: str | None
    notes: Sequence[str]
    id: str | None
    checked_at: str
    cause: str
    actor: str
    seconds: float
    windows: Sequence[CheckedWindow] = ()

    def table(self) -> Sequence[ColumnCheck]:
        return [*self.columns, *self.predictions.values()]

    def require(self) -> None:
        """Raise an error if the check raised an alarm.

        Raises:
            Refused: It did (exit code 3).
        """
        if self.alarm:
            raise Refused(self.verdict.rstrip("."), "see `mlpipes monitor history`" if self.id else "", self)
