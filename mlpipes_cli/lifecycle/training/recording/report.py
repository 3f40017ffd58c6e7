"""The results of a training, for people and as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlpipes_cli import metric_catalog, mlflow_tags
from mlpipes_cli.metric_catalog import Task
from mlpipes_cli.ports import RunRecord

# What the JSON documents of a session and of a leaderboard say of a run.
DOCUMENTED = (
    "name", "run_id", "status", "metrics", "intervals", "cross_validated", "threshold", "seconds", "error",
)  # fmt: skip


@dataclass(frozen=True)
class CandidateResult:
    """The result of a candidate.

    Attributes:
        name: Its name in the file.
        run_id: MLflow's run id, or None if its run could not be started.
        status: FINISHED, FAILED or KILLED.
        metrics: The holdout's metrics, by name.
        intervals: 95 %, (lower, upper) by metric; None if there are too few rows.
        seconds: How long the fit took, or how long the process ran if it failed.
        error: One line, or None.
        cached: Whether the result of an earlier run was reused.
        threshold: The threshold of the positive class's score, if the labels come from it.
        cross_validated: Means over the folds of the training rows, by metric, if the run was cross-validated.
    """

    name: str
    run_id: str | None
    status: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    intervals: Mapping[str, tuple[float, float] | None] = field(default_factory=dict)
    seconds: float | None = None
    error: str | None = None
    cached: bool = False
    threshold: float | None = None
    cross_validated: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainingReport:
    """The results of all candidates of a session.

    Attributes:
        experiment: Its name.
        rows: The number of rows of the data.
        fingerprint: The data's fingerprint.
        metric: The metric that decides.
        task: The kind of target.
        results: In the order of the file.
    """

    experiment: str
    rows: int
    fingerprint: str
    metric: str
    task: Task
    results: tuple[CandidateResult, ...]

    @property
    def failed(self) -> bool:
        """Whether any candidate did not finish."""
        return any(result.status != "FINISHED" for result in self.results)

    @property
    def ranked(self) -> list[CandidateResult]:
        """The results, the best first; those without a value last, in the order of the file."""
        return ranked(self.results, self.metric)

    @property
    def best(self) -> CandidateResult | None:
        """The best result."""
        first = next(iter(self.ranked), None)
        return first if first and value_of(first.metrics, first.status, self.metric) is not None else None

    def document(self) -> dict[str, Any]:
        """Return the JSON document of ``train --json``."""
        return {
            "experiment": self.experiment,
            "data": {"rows": self.rows, "fingerprint": self.fingerprint},
            "runs": [
                {name: getattr(result, name) for name in (*DOCUMENTED, "cached")} for result in self.ranked
            ],
            "best": self.best.name if self.best else None,
        }


def ranked(results: Sequence[CandidateResult], metric: str) -> list[CandidateResult]:
    """Return the results, the best by a metric first, then those without a value."""
    sign = -1.0 if metric_catalog.higher_is_better(metric) else 1.0

    def key(result: CandidateResult) -> float:
        value = value_of(result.metrics, result.status, metric)
        return math.inf if value is None else sign * value

    return sorted(results, key=key)


def value_of(metrics: Mapping[str, float], status: str, metric: str) -> float | None:
    """Return the metric of a finished run, if it has one."""
    value = metrics.get(metric) if status == "FINISHED" else None
    return value if value is not None and math.isfinite(value) else None


def from_record(run: RunRecord, *, cached: bool) -> CandidateResult:
    """Return a result from the tracking server's record."""
    known = [name for name in metric_catalog.NAMES if name in run.metrics]
    ends = {name: (mlflow_tags.lower(name), mlflow_tags.upper(name)) for name in known}
    return CandidateResult(
        name=run.name,
        run_id=run.run_id,
        status=run.status,
        metrics={name: run.metrics[name] for name in known},
        intervals={
            name: (run.metrics[low], run.metrics[high])
            if low in run.metrics and high in run.metrics
            else None
            for name, (low, high) in ends.items()
        },
        seconds=run.metrics.get(mlflow_tags.FIT_SECONDS),
        error=run.tags.get(mlflow_tags.ERROR),
        cached=cached,
        threshold=run.metrics.get(mlflow_tags.THRESHOLD),
        cross_validated={
            name: run.metrics[folds]
            for name in metric_catalog.NAMES
            if (folds := mlflow_tags.cross_validated(name)) in run.metrics
        },
    )
