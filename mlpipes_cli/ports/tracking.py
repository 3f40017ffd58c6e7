"""Where runs are written, and who watches them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol


@dataclass(frozen=True)
class DatasetRecord:
    """The data set of a run, as the tracking server shows it.

    Attributes:
        name: The experiment's name.
        digest: The data's fingerprint.
        source: Where the rows came from, without secrets.
        columns: (name, type) of the features and the target.
        rows: How many there are in all.
    """

    name: str
    digest: str
    source: str
    columns: Sequence[tuple[str, str]]
    rows: int


@dataclass(frozen=True)
class MetricStep:
    """What a fit told of one of its steps.

    Attributes:
        step: Its number.
        time: Seconds since 1970.
        metrics: Finite values by name.
    """

    step: int
    time: float
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class RunOutcome:
    """All that a finished candidate leaves.

    Attributes:
        metrics: By the name under which they are logged.
        params: Beside those that were logged at the start.
        artifacts: A folder whose content becomes the run's artifacts.
        model: A folder in MLflow's model format.
        dataset: What it was trained on.
        steps: What its fit told on the way.
    """

    metrics: Mapping[str, float]
    params: Mapping[str, str]
    artifacts: Path
    model: Path
    dataset: DatasetRecord
    steps: Sequence[MetricStep] = ()


@dataclass(frozen=True)
class ComparisonOutcome:
    """What the run above several runs leaves: it has no model and no metrics that decide.

    Attributes:
        metrics: By the name under which they are logged.
        params: Beside those that were logged at the start.
        artifacts: A folder whose content becomes the run's artifacts.
        parts: Names of the runs under it.
        steps: What the fit told on the way.
    """

    metrics: Mapping[str, float]
    params: Mapping[str, str]
    artifacts: Path
    parts: Sequence[str]
    steps: Sequence[MetricStep] = ()


@dataclass(frozen=True)
class TrialRecord:
    """One combination that a search tried.

    Attributes:
        number: From 0.
        status: finished, pruned, failed.
        started: Seconds since 1970.
        ended: Seconds since 1970.
        params: What was tried, as text.
        metrics: Mean over the folds, by name; empty where it failed.
        steps: The metric after each fold.
        error: Why it failed, one line.
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
    """Where runs are written.

    A run is begun, then ended once, by ``finish`` or ``give_up``. ``finish`` sets the tag
    ``mlpipes.model_uri`` after all else is stored: a run without it is not whole. A server that
    goes away for a moment is waited for; when it stays away, the error says so and the run is
    left as it is.
    """

    def reach(self) -> None:
        """Make sure that the server is there, in no time: nothing is imported for it.

        Raises:
            MlpipesError: It does not answer.
        """

    def prepare(self) -> None:
        """Import what all else needs, which takes seconds; nothing is sent."""

    def ping(self, run_id: str | None = None) -> None:
        """Make sure that the server answers a query.

        Args:
            run_id: If given, the store of that run's artifacts has to answer too.

        Raises:
            MlpipesError: It does not.
        """

    def begin(
        self,
        experiment: str,
        name: str,
        tags: Mapping[str, str],
        params: Mapping[str, str],
        parent: str | None = None,
    ) -> str:
        """Begin a run, status RUNNING, in an experiment that is made if there is none; returns its id.

        Args:
            parent: The run under which it is shown.
        """

    def finish(self, run_id: str, outcome: RunOutcome) -> str:
        """Store everything and mark the run FINISHED; returns the model's URI."""

    def finish_comparison(self, run_id: str, outcome: ComparisonOutcome) -> None:
        """Store what a run above several runs keeps, and mark it FINISHED; its parts are whole by then."""

    def add_trials(self, run_id: str, trials: Sequence[TrialRecord]) -> None:
        """Make an ended run under a run for each trial of its search."""

    def take(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Write tags over those of a whole run that a later training takes as it is."""

    def give_up(self, run_id: str, status: Literal["FAILED", "KILLED"], error: str, log: Path | None) -> None:
        """Mark the run as not finished, with the reason and the candidate's log file."""


@dataclass(frozen=True)
class CandidateState:
    """How a candidate is doing, for whoever watches.

    Attributes:
        name: The candidate's.
        state: waiting, running, storing, finished, cached, failed, killed.
        stage: What it does while it runs.
        started: ``time.monotonic()`` of its start, or None.
        seconds: How long it took, once it has ended.
        value: The deciding metric's value, once there is one.
        error: Why it failed.
    """

    name: str
    state: str = "waiting"
    stage: str = ""
    started: float | None = None
    seconds: float | None = None
    value: float | None = None
    error: str = ""


class TrainingProgress(Protocol):
    """Shows a person how the candidates are doing."""

    def show(self, states: Sequence[CandidateState], metric: str) -> None:
        """Called after each change, with all candidates."""
