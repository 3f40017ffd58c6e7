"""Logs the results of a candidate's process: a scored run for each model, and a run for each trial."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.lifecycle.training.plan import TrainingPlan
from mlpipes_cli.lifecycle.training.recording.report import CandidateResult
from mlpipes_cli.lifecycle.training.recording.run_recorder import RunRecorder, read_trials
from mlpipes_cli.lifecycle.training.spec import Candidate
from mlpipes_cli.ports import RunOutcome, Tracking
from mlpipes_cli.worker import protocol


def prepare(tracking: Tracking) -> None:
    """Import what scoring and logging need, above all MLflow's client, while other processes work."""
    tracking.prepare()
    from mlpipes_cli.scoring import plots  # noqa: F401


class Unscorable(MlpipesError):
    """A model's predictions cannot be scored."""


@dataclass(frozen=True)
class _Scored:
    """A scored model that is not logged yet."""

    outcome: RunOutcome
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float] | None]
    seconds: float
    threshold: float | None
    cross_validated: dict[str, float]


class RunLogger:
    """Starts, finishes and fails the runs of a session's candidates.

    Args:
        plan: The training plan.
        recorder: Builds the content of the runs.
        tracking: The tracking server.
        identifier: The session's identifier.
        commit: The commit of the project's code, if there is one.
    """

    def __init__(
        self,
        plan: TrainingPlan,
        recorder: RunRecorder,
        tracking: Tracking,
        identifier: str,
        commit: str | None,
    ) -> None:
        self._config, self._recorder, self._tracking = plan.experiment.config, recorder, tracking
        self._id, self._commit = identifier, commit
        self._tried: set[str] = set()

    def begin(self, candidate: Candidate, name: str | None = None, parent: str | None = None) -> str:
        """Start the run of a candidate, or of one of its models under the candidate's; return its id."""
        tags = self._recorder.tags(candidate, self._id, self._commit)
        params = candidate.params() | {"preprocess": self._config.data.preprocess}
        return self._tracking.begin(self._config.experiment, name or candidate.name, tags, params, parent)

    def scored(
        self, candidate: Candidate, job: Path, run_id: str, result: dict[str, Any]
    ) -> Callable[[], list[CandidateResult]]:
        """Score a candidate's models; return a call that logs them, which any thread may make.

        Args:
            candidate: The candidate.
            job: The folder of its process.
            run_id: The candidate's run.
            result: The result that its process reported.

        Returns:
            A call that logs its trials and models and returns results, or raises MlpipesError or OSError.

        Raises:
            Unscorable: A model's predictions cannot be scored.
            OSError: A file cannot be written.
        """
        models = [self._model(candidate, job, result, model) for model in result["models"]]
        if not result["several"]:

            def record() -> list[CandidateResult]:
                self.trials(job, run_id)
                return [self._finish(candidate.name, run_id, models[0])]

            return record
        parts = {
            f"{candidate.name}-{model['name']}": made
            for model, made in zip(result["models"], models, strict=True)
        }
        comparison = self._recorder.comparison(job, result, list(parts))

        def record_all() -> list[CandidateResult]:
            self.trials(job, run_id)
            found = [self._part(candidate, name, run_id, made) for name, made in parts.items()]
            self._tracking.finish_comparison(run_id, comparison)
            return found

        return record_all

    def trials(self, job: Path, run_id: str) -> None:
        """Log the trials of a search, once; also of a candidate that did not finish."""
        trials = read_trials(job / protocol.OUT / protocol.TRIALS)
        if trials and run_id not in self._tried:
            self._tried.add(run_id)
            self._tracking.add_trials(run_id, trials)

    def fail(self, job: Path, run_id: str, reason: str) -> None:
        """End the run of a candidate that failed, with its trials and the end of its log."""
        with contextlib.suppress(MlpipesError):
            self.trials(job, run_id)
        self._tracking.give_up(run_id, "FAILED", reason, job / protocol.LOG)

    def kill(self, run_id: str, reason: str) -> None:
        """End the run of a candidate that was stopped, if the server answers."""
        with contextlib.suppress(MlpipesError):
            self._tracking.give_up(run_id, "KILLED", reason, None)

    def _model(
        self, candidate: Candidate, job: Path, result: dict[str, Any], model: dict[str, Any]
    ) -> _Scored:
        try:
            outcome, metrics, sure = self._recorder.outcome(candidate, job, result, model)
        except MlpipesError as error:
            raise Unscorable(error.lines()[0]) from error
        seconds, folds = float(result["seconds"]), model["folds"]
        return _Scored(outcome, metrics, sure, seconds, model["threshold"], folds)

    def _part(self, candidate: Candidate, name: str, parent: str, made: _Scored) -> CandidateResult:
        """Log one of several models of a candidate, in a run of its own under the candidate's."""
        run_id = self.begin(candidate, name, parent)
        try:
            return self._finish(name, run_id, made)
        except (MlpipesError, OSError) as error:
            with contextlib.suppress(MlpipesError):
                self._tracking.give_up(run_id, "FAILED", str(error), None)
            raise

    def _finish(self, name: str, run_id: str, made: _Scored) -> CandidateResult:
        self._tracking.finish(run_id, made.outcome)
        return CandidateResult(
            name,
            run_id,
            "FINISHED",
            made.metrics,
            made.intervals,
            made.seconds,
            threshold=made.threshold,
            cross_validated=made.cross_validated,
        )
