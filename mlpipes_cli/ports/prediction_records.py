"""The prediction log for listing, exporting, evaluating and pruning."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple, Protocol

Period = Literal["day", "week", "month"]


@dataclass(frozen=True)
class Selection:
    """A filter of predictions; None does not filter.

    Attributes:
        model: The registered model's name.
        version: Its version.
        alias: The alias under which the version answered.
        since: Start of the time range, seconds since the epoch.
        until: End of the time range (exclusive), seconds since the epoch.
    """

    model: str | None = None
    version: int | None = None
    alias: str | None = None
    since: float | None = None
    until: float | None = None


class StoredPrediction(NamedTuple):
    """A row of the log with its ground truth. JSON columns of the table are JSON text here.

    Attributes:
        prediction_id: A UUID version 7, as text.
        caller_id: The value of the caller's id column, or None.
        made_at: When the prediction was made, UTC.
        model: The registered model's name.
        version: Its version.
        alias: The alias under which the version answered.
        inputs: The input row of the model.
        prediction: The model's prediction.
        scores: One number, or one per class; None if the model has none.
        latency_ms: From the request's arrival until the row was passed to the database.
        trace_id: The caller's W3C trace, or None.
        shadow_of: The answered prediction that this one shadows, or None.
        truth: The ground truth, or None.
        truth_at: When the truth was last reported.
        truth_source: Who reported it.
    """

    prediction_id: str
    caller_id: str | None
    made_at: datetime
    model: str
    version: int
    alias: str
    inputs: str
    prediction: str
    scores: str | None
    latency_ms: float
    trace_id: str | None
    shadow_of: str | None
    truth: str | None
    truth_at: datetime | None
    truth_source: str | None


@dataclass(frozen=True)
class LogSnapshot:
    """Rows of the log at one point in time, independent of concurrent writes.

    Attributes:
        rows: Number of rows.
        kinds: JSON types of the values of ``prediction`` and ``truth``: some of integer, float, string,
            boolean, null, array, object.
        inputs: The same for each input by name; empty unless requested.
        batches: The rows, oldest first; can be read once.
    """

    rows: int
    kinds: Mapping[str, frozenset[str]]
    inputs: Mapping[str, frozenset[str]]
    batches: Iterator[Sequence[StoredPrediction]]


class Tally(NamedTuple):
    """Number of predictions of a version in a period.

    Attributes:
        version: The model's version.
        period: The start of the period, UTC; None for all time.
        rows: Number of predictions.
        shadows: Number of those that were mirrored, not answered.
    """

    version: int
    period: datetime | None
    rows: int
    shadows: int


class Judged(NamedTuple):
    """A prediction with its ground truth; JSON text, as in :class:`StoredPrediction`."""

    version: int
    period: datetime | None
    prediction: str
    scores: str | None
    truth: str
    caller_id: str | None = None


class Prunable(NamedTuple):
    """What a prune removes, or has removed.

    Attributes:
        predictions: Number of rows of the log.
        truths: Number of ground truths of these rows.
        partitions: Months that are dropped as a whole, as ``2026-05``; ``predictions`` includes their rows.
    """

    predictions: int
    truths: int
    partitions: tuple[str, ...]


class PredictionRecords(Protocol):
    """Reads and prunes the prediction log; used from one thread.

    Every method raises ``MlpipesError`` if the database does not answer.
    """

    def prepare(self) -> None:
        """Create or upgrade the tables."""

    def models(self) -> Sequence[str]:
        """Return the models that have predictions, by name."""

    def newest(self, selection: Selection, limit: int) -> Sequence[StoredPrediction]:
        """Return the newest predictions, newest first."""

    def snapshot(
        self, selection: Selection, *, inputs: bool, size: int
    ) -> AbstractContextManager[LogSnapshot]:
        """Open a snapshot in batches of ``size`` rows, with the types of the inputs if requested."""

    def tally(self, selection: Selection, period: Period | None) -> Sequence[Tally]:
        """Return the number of predictions by version and period."""

    def judged(self, selection: Selection, period: Period | None, size: int) -> Iterator[Sequence[Judged]]:
        """Yield predictions with ground truth; a mirrored one has the truth of the answered one."""

    def prunable(self, before: float, model: str | None) -> Prunable:
        """Return what :meth:`prune` would remove now."""

    def prune(self, before: float, model: str | None, removed: Callable[[int], None]) -> Prunable:
        """Remove the predictions made before a time, and their ground truth.

        Months that end before that time are dropped as a whole if they hold no rows of another model; in
        other months the rows are deleted. Writers wait for a moment at most. If the call fails midway, what
        was removed stays removed; it can be called again.

        Args:
            before: Seconds since the epoch.
            model: Only this model's predictions, or all if None.
            removed: Called with the number of rows after each step.
        """
