"""Result classes where ``--json`` prints other fields than the dataclass of the command has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from mlpipes_cli.errors import Several
from mlpipes_cli.tabular import TableRows, Tabular

if TYPE_CHECKING:
    from mlpipes_cli.lifecycle.leaderboard import Board
    from mlpipes_cli.lifecycle.training import TrainingReport


@dataclass(frozen=True)
class RunResult:
    """A candidate's run.

    Attributes:
        name: The candidate's name in the experiment file.
        run_id: MLflow's id; None if the run could not be started.
        status: FINISHED, FAILED or KILLED, as in MLflow.
        metrics: On the holdout, by name.
        intervals: 95 %, (lower, upper) by metric; None where there are too few rows.
        cross_validated: Means over folds of the training rows, by metric; empty unless that was asked for.
        threshold: The positive class's score from which on a row is labelled positive, where one is set.
        seconds: Duration of the fit.
        error: One line, or None.
    """

    name: str
    run_id: str | None
    status: str
    metrics: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float] | None]
    cross_validated: Mapping[str, float]
    threshold: float | None
    seconds: float | None
    error: str | None


@dataclass(frozen=True)
class TrainedRun(RunResult):
    """A run of one training session.

    Attributes:
        cached: Whether an earlier run on the same data and settings was reused.
    """

    cached: bool


@dataclass(frozen=True)
class DataResult:
    """The data of a training.

    Attributes:
        rows: Number of rows.
        fingerprint: SHA-256 of its rows, in hexadecimal digits.
    """

    rows: int
    fingerprint: str


@dataclass(frozen=True)
class TrainingResult(Tabular):
    """The result of :meth:`Project.train`.

    Attributes:
        experiment: The experiment's name.
        data: The training data.
        runs: The runs, best first.
        best: The best candidate's name; None if none has the deciding metric.
    """

    experiment: str
    data: DataResult
    runs: TableRows
    best: str | None

    def table(self) -> TableRows:
        return self.runs

    def raise_for_status(self) -> None:
        """Fail if a candidate did not finish.

        Raises:
            MlpipesError: It has a line for each candidate that did not finish.
        """
        failed = [run for run in self.runs if run.status != "FINISHED"]
        if failed:
            raise Several([f"{run.name}: {run.error or run.status.lower()}" for run in failed])


@dataclass(frozen=True)
class RankedRun(RunResult):
    """A row of the leaderboard.

    Attributes:
        version: The run's registered version, or None.
        aliases: The aliases of that version.
    """

    version: int | None
    aliases: tuple[str, ...]


@dataclass(frozen=True)
class OtherHoldoutResult:
    """Another holdout of the experiment, with the number of its runs.

    Attributes:
        holdout_fingerprint: The fingerprint of the holdout's rows.
        runs: Number of runs that were scored on them.
    """

    holdout_fingerprint: str
    runs: int


@dataclass(frozen=True)
class Leaderboard(Tabular):
    """The candidates that were scored on the same rows.

    Attributes:
        experiment: The experiment's name.
        model: The registered model's name.
        metric: The metric that the runs are sorted by.
        holdout_fingerprint: The fingerprint of the rows that all runs were scored on.
        runs: The newest run of each candidate, best first.
        best: The best candidate's name; None if none has the metric.
        other_holdouts: Other holdouts of the experiment, newest first.
        other_runs: Number of runs of the experiment that `train` did not make; they are not ranked.
    """

    experiment: str
    model: str
    metric: str
    holdout_fingerprint: str
    runs: TableRows
    best: str | None
    other_holdouts: tuple[OtherHoldoutResult, ...]
    other_runs: int

    def table(self) -> TableRows:
        return self.runs


def training(report: TrainingReport) -> TrainingResult:
    """Return the content of ``train --json`` as dataclasses."""
    made = report.document()
    runs = TableRows([_made(TrainedRun, run) for run in made["runs"]], TrainedRun)
    return TrainingResult(made["experiment"], DataResult(**made["data"]), runs, made["best"])


def leaderboard(board: Board) -> Leaderboard:
    """Return the content of ``leaderboard --json`` as dataclasses."""
    made = board.document()
    runs = TableRows(
        [_made(RankedRun, run | {"aliases": tuple(run["aliases"])}) for run in made["runs"]], RankedRun
    )
    others = tuple(OtherHoldoutResult(**other) for other in made["other_holdouts"])
    return Leaderboard(**(made | {"runs": runs, "other_holdouts": others}))


def _made(kind: type, values: Mapping[str, Any]) -> Any:
    """Make a dataclass from a mapping that has exactly its fields."""
    assert {field.name for field in fields(kind)} == set(values), kind
    return kind(**values)
