"""Stores what a candidate's process left: a run for each model, scored, and one for each trial."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.lifecycle.training.plan import Plan
from mlpipes_cli.lifecycle.training.record import Recorder, read_trials
from mlpipes_cli.lifecycle.training.report import CandidateResult
from mlpipes_cli.lifecycle.training.spec import Candidate
from mlpipes_cli.ports import Tracking
from mlpipes_cli.worker import protocol


class Unscorable(MlpipesError):
    """A model's answers cannot be scored."""


class Storing:
    """Begins, finishes and gives up the runs of a session's candidates.

    Args:
        plan: What is trained.
        recorder: Makes what is recorded.
        tracking: Where.
        identifier: The session's.
        commit: Of the project's code, if there is one.
    """

    def __init__(
        self, plan: Plan, recorder: Recorder, tracking: Tracking, identifier: str, commit: str | None
    ) -> None:
        self._config, self._recorder, self._tracking = plan.experiment.config, recorder, tracking
        self._id, self._commit = identifier, commit
        self._tried: set[str] = set()

    def begin(self, candidate: Candidate, name: str | None = None, parent: str | None = None) -> str:
        """Begin the run of a candidate, or of one of its models under the candidate's; gives its id."""
        tags = self._recorder.tags(candidate, self._id, self._commit)
        params = candidate.params() | {"preprocess": self._config.data.preprocess}
        return self._tracking.begin(self._config.experiment, name or candidate.name, tags, params, parent)

    def finish(
        self, candidate: Candidate, job: Path, run_id: str, result: dict[str, Any]
    ) -> list[CandidateResult]:
        """Score and record a candidate's models.

        Args:
            candidate: Whose.
            job: The folder of its process.
            run_id: The candidate's run.
            result: What its process told.

        Raises:
            Unscorable: What a model answers cannot be scored.
            OSError: A file cannot be written.
            MlpipesError: The run cannot be stored.
        """
        self.trials(job, run_id)
        if not result["several"]:
            return [self._model(candidate, job, candidate.name, run_id, result, result["models"][0])]
        parts = [self._part(candidate, job, run_id, result, model) for model in result["models"]]
        names = [part.name for part in parts]
        self._tracking.finish_comparison(run_id, self._recorder.comparison(job, result, names))
        return parts

    def trials(self, job: Path, run_id: str) -> None:
        """What a search tried, once; also of a candidate that did not come to its end."""
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
        """End the run of a candidate that was stopped, if the server can be told."""
        with contextlib.suppress(MlpipesError):
            self._tracking.give_up(run_id, "KILLED", reason, None)

    def _part(
        self, candidate: Candidate, job: Path, parent: str, result: dict[str, Any], model: dict[str, Any]
    ) -> CandidateResult:
        """One of several models of a candidate, in a run of its own under the candidate's."""
        name = f"{candidate.name}-{model['name']}"
        run_id = self.begin(candidate, name, parent)
        try:
            return self._model(candidate, job, name, run_id, result, model)
        except (MlpipesError, OSError) as error:
            with contextlib.suppress(MlpipesError):
                self._tracking.give_up(run_id, "FAILED", str(error), None)
            raise

    def _model(
        self,
        candidate: Candidate,
        job: Path,
        name: str,
        run_id: str,
        result: dict[str, Any],
        model: dict[str, Any],
    ) -> CandidateResult:
        try:
            outcome, metrics, sure = self._recorder.outcome(candidate, job, result, model)
        except MlpipesError as error:
            raise Unscorable(error.lines()[0]) from error
        self._tracking.finish(run_id, outcome)
        return CandidateResult(name, run_id, "FINISHED", metrics, sure, float(result["seconds"]))
