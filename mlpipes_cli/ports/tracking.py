"""The tracking of runs, and the display of their progress."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol


@dataclass(frozen=True)
class DatasetRecord:
    """The data set of a run, as shown by the tracking server.

    Attributes:
        name: The experiment's name, or the version of a data set, such as ``loans@3``.
        digest: The data's fingerprint.
        source: The origin of the rows, without secrets.
        columns: (name, type) of the features and the target.
        rows: The total number of rows.
    """

    name: str
    digest: str
    source: str
    columns: Sequence[tuple[str, str]]
    rows: int


@dataclass(frozen=True)
class MetricStep:
    """Metrics that a fit reported for one of its steps.

    Attributes:
        step: The number of the step.
        time: Seconds since 1970.
        metrics: Finite values by name.
    """

    step: int
    time: float
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class RunOutcome:
    """The complete result of a finished candidate.

    Attributes:
        metrics: By the name under which they are logged.
        params: In addition to those logged at the start.
        artifacts: A folder whose content becomes the run's artifacts.
        model: A folder in MLflow's model format.
        dataset: The training data.
        steps: Metrics that the fit reported per step.
    """

    metrics: Mapping[str, float]
    params: Mapping[str, str]
    artifacts: Path
    model: Path
    dataset: DatasetRecord
    steps: Sequence[MetricStep] = ()


@dataclass(frozen=True)
class ComparisonOutcome:
    """The result of a parent run that compares several models; it has no model and no deciding metrics.

    Attributes:
        metrics: By the name under which they are logged.
        params: In addition to those logged at the start.
        artifacts: A folder whose content becomes the run's artifacts.
        parts: Names of its child runs.
        steps: Metrics that the fit reported per step.
    """

    metrics: Mapping[str, float]
    params: Mapping[str, str]
    artifacts: Path
    parts: Sequence[str]
    steps: Sequence[MetricStep] = ()


@dataclass(frozen=True)
class TrialRecord:
    """One trial of a search: a combination of parameters.

    Attributes:
        number: From 0.
        status: finished, pruned, failed.
        started: Seconds since 1970.
        ended: Seconds since 1970.
        params: The parameters of the trial, as text.
        metrics: Mean over the folds, by name; empty if it failed.
        steps: The metric after each fold.
        error: The reason of a failure, one line.
    """

    number: int
    status: Literal["finished", "pruned", "failed"]
    started: float
    ended: float
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    steps: Sequence[MetricStep] = ()
    error: str = ""


class Tracking(Protocol):
    """Writes runs to the tracking server.

    A run is begun, then ended once, by ``finish`` or ``give_up``. ``finish`` sets the tag
    ``mlpipes.model_uri`` after everything else is stored: a run without it is incomplete. If the server is
    away for a moment, calls wait for it; if it stays away, they raise an error and leave the run as it is.
    """

    def reach(self) -> None:
        """Check quickly that the server is reachable; nothing is imported for it.

        Raises:
            MlpipesError: The server does not answer.
        """

    def prepare(self) -> None:
        """Import all further modules, which takes seconds; sends nothing."""

    def ping(self, run_id: str | None = None) -> None:
        """Check that the server answers a query.

        Args:
            run_id: If given, the store of that run's artifacts must answer too.

        Raises:
            MlpipesError: The server or the store does not answer.
        """

    def begin(
        self,
        experiment: str,
        name: str,
        tags: Mapping[str, str],
        params: Mapping[str, str],
        parent: str | None = None,
    ) -> str:
        """Begin a run with status RUNNING; create its experiment if there is none. Return the run's id.

        Args:
            parent: The run under which this run is shown.
        """

    def finish(self, run_id: str, outcome: RunOutcome) -> str:
        """Store the whole outcome and mark the run FINISHED; return the model's URI."""

    def finish_comparison(self, run_id: str, outcome: ComparisonOutcome) -> None:
        """Store the outcome of a parent run, and mark it FINISHED; its child runs are complete by then."""

    def add_trials(self, run_id: str, trials: Sequence[TrialRecord]) -> None:
        """Create an ended child run for each trial of a run's search."""

    def take(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Update tags of a complete run that a later training reuses."""

    def give_up(self, run_id: str, status: Literal["FAILED", "KILLED"], error: str, log: Path | None) -> None:
        """Mark the run as failed or killed, with the reason and the candidate's log file."""


@dataclass(frozen=True)
class CandidateState:
    """The progress of a candidate, for display.

    Attributes:
        name: The candidate's name.
        state: waiting, running, storing, finished, cached, failed, killed.
        stage: What the candidate does while it runs.
        started: ``time.monotonic()`` of its start, or None.
        seconds: Duration, once the candidate has ended.
        value: The deciding metric's value, once it is known.
        error: The reason of a failure.
    """

    name: str
    state: str = "waiting"
    stage: str = ""
    started: float | None = None
    seconds: float | None = None
    value: float | None = None
    error: str = ""


class TrainingProgress(Protocol):
    """Shows the progress of candidates to a user."""

    def show(self, states: Sequence[CandidateState], metric: str) -> None:
        """Show the states of all candidates; called after each change."""
