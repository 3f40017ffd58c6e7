"""Stored checks of models in use, and the predictions that a check looks at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from mlpipes_cli.ports.alerts import NewAlert


@dataclass(frozen=True)
class NewCheck:
    """A check to be stored.

    Attributes:
        id: A UUID version 7.
        checked_at: When it was made, UTC.
        model: The registered model's name.
        version: Its version.
        alias: The alias by which the version was chosen, or None.
        since: Start of the window; None where it was given in rows.
        until: End of the window.
        rows: Rows that were compared.
        alarm: Whether it raised an alarm.
        enough: Whether there were rows enough for a statement.
        alpha: The probability of a false alarm that it kept to.
        cause: Why it was made: manual, scheduled, ...
        actor: Who made it.
        seconds: How long it took.
        result: What ``mlpipes monitor --json`` prints, in JSON's types.
    """

    id: UUID
    checked_at: datetime
    model: str
    version: int
    alias: str | None
    since: datetime | None
    until: datetime
    rows: int
    alarm: bool
    enough: bool
    alpha: float
    cause: str
    actor: str
    seconds: float
    result: Mapping[str, Any]


@dataclass(frozen=True)
class StoredCheck(NewCheck):
    """A check as it was stored.

    Attributes:
        alarm_since: When the alarm began that this check is part of: the first of the checks of this version
            with an alarm that follow each other, checks of too few rows left out; None without an alarm.
        alarm_checks: How many checks of that alarm there were up to this one; 0 without an alarm.
    """

    alarm_since: datetime | None
    alarm_checks: int


class CheckStore(Protocol):
    """Keeps checks; every method raises ``MlpipesError`` if the database does not answer."""

    def prepare(self) -> None:
        """Create or upgrade the tables."""

    def now(self) -> datetime:
        """Return the time of the database, which all machines share."""

    def add(self, check: NewCheck, keep: timedelta, alert: NewAlert | None = None) -> None:
        """Store a check, and remove those that are older than ``keep`` and not among the newest 100 of their
        version.

        If it begins or ends an alarm, ``alert`` is stored with it, once for each channel. A check that an
        alert still has to be sent for is kept. Alerts that were sent or dropped are removed with their
        checks; that of an alarm that lasts is kept.
        """

    def checks(
        self, model: str | None = None, version: int | None = None, limit: int = 20
    ) -> Sequence[StoredCheck]:
        """Return the newest checks, newest first.

        Args:
            model: Only of this registered model.
            version: Only of this version.
            limit: The most checks.
        """


class WindowRow(NamedTuple):
    """A prediction of a window; JSON columns are JSON text.

    Attributes:
        inputs: The row as the model received it.
        prediction: The model's prediction.
        scores: One number, or one per class; None if the model has none.
        judged: Whether its ground truth is known.
    """

    inputs: str
    prediction: str
    scores: str | None
    judged: bool


class TruthRow(NamedTuple):
    """A prediction with its ground truth; JSON columns are JSON text.

    Attributes:
        inputs: The row as the model received it.
        prediction: The model's prediction.
        scores: One number, or one per class; None if the model has none.
        truth: The ground truth.
        caller_id: The value of the caller's id column, or None.
    """

    inputs: str
    prediction: str
    scores: str | None
    truth: str
    caller_id: str | None


@dataclass(frozen=True)
class PredictionWindow:
    """Predictions of one version in a window of time.

    Attributes:
        since: Start of the window, UTC; None if it was given in rows.
        until: End of the window, exclusive, UTC.
        first: When the oldest prediction in it was made; None without predictions.
        last: When the newest one was made; None without predictions.
        predictions: Number of predictions of the version.
        mirrored: How many of them were mirrored, not answered.
        others: Number of predictions of other versions of the model; 0 for a window given in rows.
        read: Number of predictions that the rows were taken from: all, or a random part of them.
        truths: Predictions whose ground truth arrived in the window, the earliest arrival first; for a window
            given in rows those of its predictions that have one. Of very many the latest. Can be read once.
        batches: The rows, of each caller id only the newest; can be read once.
    """

    since: datetime | None
    until: datetime
    first: datetime | None
    last: datetime | None
    predictions: int
    mirrored: int
    others: int
    read: int
    truths: Iterator[Sequence[TruthRow]]
    batches: Iterator[Sequence[WindowRow]]


class WatchSeat(Protocol):
    """Held by one watcher of a model at a time, on whatever machine; its methods also make sure of that."""

    def last(self, model: str | None, alias: str, ahead: timedelta) -> LastCheck:
        """Return when the last scheduled check was made, by the clock of the database.

        Args:
            model: The registered model's name; None for any.
            alias: The alias by which scheduled checks chose the version.
            ahead: How far in the future the time of a check may lie, since a clock may have been set back.

        Raises:
            MlpipesError: The database does not answer, so that another watcher may hold the seat now.
        """


class LastCheck(NamedTuple):
    """The last scheduled check.

    Attributes:
        now: The time of the database.
        made: When the check was made; None if there was none.
    """

    now: datetime
    made: datetime | None


class WindowReader(Protocol):
    """Reads predictions for a check, from one snapshot."""

    def window(
        self,
        model: str,
        version: int,
        *,
        since: float | None,
        until: float | None,
        rows: int | None,
        most: int,
        size: int,
    ) -> AbstractContextManager[PredictionWindow]:
        """Open the window of a version.

        Args:
            model: The registered model's name.
            version: Its version.
            since: Start of the window, seconds since the epoch; None for no start.
            until: End of the window, exclusive; None for the database's present time.
            rows: The number of newest predictions in place of ``since``, or None.
            most: About how many predictions are read at most: of more, a random part is.
            size: Rows in a batch.

        Raises:
            MlpipesError: The database does not answer.
        """


class RecentChecks(Protocol):
    """Reads stored checks; several tasks of one event loop may call it."""

    async def newest(self, model: str, limit: int) -> Sequence[Mapping[str, Any]]:
        """Return what ``mlpipes monitor --json`` printed of the newest checks of a model, newest first.

        Args:
            model: The registered model's name.
            limit: The most checks.

        Raises:
            MlpipesError: The database does not answer within a few seconds.
        """
