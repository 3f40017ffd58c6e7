"""Results whose dataclass is not that of the verb: what ``--json`` prints of them, as Python values."""

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
        run_id: MLflow's; None if its run could not be begun.
        status: FINISHED, FAILED or KILLED, as in MLflow.
        metrics: On the holdout, by name.
        intervals: 95 %, (lower, upper) by metric; None where there are too few rows.
        threshold: The positive class's score from which on a row is labelled positive, where one is set.
        seconds: How long the fit took.
        error: One line, or None.
    """

    name: str
    run_id: str | None
    status: str
    metrics: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float] | None]
    threshold: float | None
    seconds: float | None
    error: str | None


@dataclass(frozen=True)
class TrainedRun(RunResult):
    """A run of a training.

    Attributes:
        cached: An earlier run on the same data and settings was taken.
    """

    cached: bool


@dataclass(frozen=True)
class DataResult:
    """The data of a training.

    Attributes:
        rows: How many rows it has.
        fingerprint: SHA-256 of its rows, in hexadecimal digits.
    """

    rows: int
    fingerprint: str


@dataclass(frozen=True)
class TrainingResult(Tabular):
    """What :meth:`Project.train` did.

    Attributes:
        experiment: The experiment's name.
        data: What was trained on.
        runs: The best first.
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
            MlpipesError: A line for each that did not.
        """
        failed = [run for run in self.runs if run.status != "FINISHED"]
        if failed:
            raise Several([f"{run.name}: {run.error or run.status.lower()}" for run in failed])


@dataclass(frozen=True)
class RankedRun(RunResult):
    """A line of the leaderboard.

    Attributes:
        version: Its registered version, or None.
        aliases: Those that the version holds.
    """

    version: int | None
    aliases: tuple[str, ...]


@dataclass(frozen=True)
class OtherHoldoutResult:
    """Rows on which other runs of the experiment were judged.

    Attributes:
        holdout_fingerprint: Of the rows.
        runs: How many runs were judged on them.
    """

    holdout_fingerprint: str
    runs: int


@dataclass(frozen=True)
class Leaderboard(Tabular):
    """The candidates that were judged on the same rows.

    Attributes:
        experiment: The experiment's name.
        model: The registered model's name.
        metric: What the runs are sorted by.
        holdout_fingerprint: Of the rows that all were judged on.
        runs: The best first; the newest run of each candidate.
        best: The best candidate's name; None if none has the metric.
        other_holdouts: The newest first.
        other_runs: How many runs of the experiment `train` did not make; they are not ranked.
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
    """What ``train --json`` prints."""
    made = report.document()
    runs = TableRows([_made(TrainedRun, run) for run in made["runs"]], TrainedRun)
    return TrainingResult(made["experiment"], DataResult(**made["data"]), runs, made["best"])


def leaderboard(board: Board) -> Leaderboard:
    """What ``leaderboard --json`` prints."""
    made = board.document()
    runs = TableRows(
        [_made(RankedRun, run | {"aliases": tuple(run["aliases"])}) for run in made["runs"]], RankedRun
    )
    others = tuple(OtherHoldoutResult(**other) for other in made["other_holdouts"])
    return Leaderboard(**(made | {"runs": runs, "other_holdouts": others}))


def _made(kind: type, values: Mapping[str, Any]) -> Any:
    """A dataclass out of exactly its fields."""
    assert {field.name for field in fields(kind)} == set(values), kind
    return kind(**values)
