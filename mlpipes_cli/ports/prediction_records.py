"""The prediction log as people work with it: looked at, exported, compared with the truth, pruned."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple, Protocol

Period = Literal["day", "week", "month"]


@dataclass(frozen=True)
class Selection:
    """Which predictions; None takes all.

    Attributes:
        model: The registered model's name.
        version: Its version.
        alias: The alias under which it answered.
        since: The first moment, seconds since the epoch.
        until: The first moment after it.
    """

    model: str | None = None
    version: int | None = None
    alias: str | None = None
    since: float | None = None
    until: float | None = None


class StoredPrediction(NamedTuple):
    """A row of the log with its truth. What was JSON in the table is JSON text here.

    Attributes:
        prediction_id: A UUID version 7, as text.
        caller_id: What the caller's id column held, or None.
        made_at: When, UTC.
        model: The registered model's name.
        version: Its version.
        alias: The alias under which it answered.
        inputs: The row as the model saw it.
        prediction: What it said.
        scores: A number, or one a class; None where the model has none.
        latency_ms: From the request's arrival until the row was handed to the database.
        trace_id: The caller's W3C trace, or None.
        shadow_of: The answered prediction that this one shadows, or None.
        truth: The ground truth, or None.
        truth_at: When it was said last.
        truth_source: Who said it.
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
    """Rows of the log as they are at one moment, whatever is written meanwhile.

    Attributes:
        rows: How many.
        kinds: What the JSON values of ``prediction`` and ``truth`` are: some of integer, float,
            string, boolean, null, array, object.
        inputs: The same for each input by name; empty unless asked for.
        batches: The rows, the oldest first; to be read once.
    """

    rows: int
    kinds: Mapping[str, frozenset[str]]
    inputs: Mapping[str, frozenset[str]]
    batches: Iterator[Sequence[StoredPrediction]]


class Tally(NamedTuple):
    """How many predictions a version made in a period.

    Attributes:
        version: The model's version.
        period: Its first moment, UTC; None for all time.
        rows: Predictions.
        shadows: Those among them that were mirrored, not answered.
    """

    version: int
    period: datetime | None
    rows: int
    shadows: int


class Judged(NamedTuple):
    """A prediction whose truth is known; JSON text, as in :class:`StoredPrediction`."""

    version: int
    period: datetime | None
    prediction: str
    scores: str | None
    truth: str
    caller_id: str | None = None


class Prunable(NamedTuple):
    """What a prune removes, or has removed.

    Attributes:
        predictions: Rows of the log.
        truths: What was true of them.
        partitions: Months that go as a whole, as ``2026-05``; their rows are among ``predictions``.
    """

    predictions: int
    truths: int
    partitions: tuple[str, ...]


class PredictionRecords(Protocol):
    """The prediction log, read and pruned; used from one thread.

    Every method raises ``MlpipesError`` where the database does not answer.
    """

    def prepare(self) -> None:
        """Make or upgrade the tables."""

    def models(self) -> Sequence[str]:
        """The models that have predictions, by name."""

    def newest(self, selection: Selection, limit: int) -> Sequence[StoredPrediction]:
        """The newest ones, the newest first."""

    def snapshot(
        self, selection: Selection, *, inputs: bool, size: int
    ) -> AbstractContextManager[LogSnapshot]:
        """All of them, ``size`` a batch, with the kinds of the inputs where those are asked for."""

    def tally(self, selection: Selection, period: Period | None) -> Sequence[Tally]:
        """How many there are, by version and period."""

    def judged(self, selection: Selection, period: Period | None, size: int) -> Iterator[Sequence[Judged]]:
        """Those whose truth is known, a mirrored one by the truth of what it shadows."""

    def prunable(self, before: float, model: str | None) -> Prunable:
        """What :meth:`prune` would remove now."""

    def prune(self, before: float, model: str | None, removed: Callable[[int], None]) -> Prunable:
        """Remove the predictions made before a moment, and what was true of them.

        Months that end before it are dropped as a whole, where they hold no other model's rows; from
        the others the rows are deleted. Nobody who writes waits longer than a moment. What was removed
        stays removed when it fails in the middle; it can be called again.

        Args:
            before: Seconds since the epoch.
            model: Only this one's, or all.
            removed: Told the number of rows after each step.
        """
