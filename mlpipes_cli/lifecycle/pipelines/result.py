"""What ``mlpipes run`` prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlpipes_cli.errors import Interrupted, MlpipesError, Refused
from mlpipes_cli.ports.automation.pipeline_runs import PipelineRun, RunStatus, StepRun, StepStatus
from mlpipes_cli.tabular import Tabular


@dataclass(frozen=True)
class StepResult:
    """A step of a run.

    Attributes:
        name: The step's name.
        status: done, failed, refused, skipped or stopped; waiting and running while the run lasts.
        exit: The exit code of its last try; None if there was none.
        seconds: From the first start to the last end; None if it did not start.
        result: The JSON that the step printed, or None.
        tries: How often it was started.
        reason: Why it is not done, in one line.
    """

    name: str
    status: StepStatus
    exit: int | None
    seconds: float | None
    result: Any
    tries: int
    reason: str


@dataclass(frozen=True)
class PipelineResult(Tabular):
    """A run of a pipeline.

    Attributes:
        pipeline: The pipeline's name.
        run: The run's id.
        status: done, failed, refused or stopped.
        steps: Its steps, in an order in which they may run.
    """

    pipeline: str
    run: str
    status: RunStatus
    steps: Sequence[StepResult]

    def table(self) -> Sequence[StepResult]:
        return self.steps

    def require(self) -> None:
        """Return if the run is done.

        Raises:
            MlpipesError: A step failed.
            Refused: A gate of a step said no, and no step failed.
            Interrupted: The run was stopped.
        """
        if self.status == "done":
            return
        hint = f"see `mlpipes runs {self.run}`, then `mlpipes run --resume`"
        if self.status == "stopped":
            raise Interrupted(f"run {self.run} was stopped", "continue it with `mlpipes run --resume`")
        found = [step for step in self.steps if step.status == self.status]
        if not found:
            raise MlpipesError(f"run {self.run} has no end", hint)
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        text = f"step {found[0].name}{more} {self.status}: {found[0].reason}"
        raise Refused(text, hint) if self.status == "refused" else MlpipesError(text, hint)


def of_run(run: PipelineRun) -> PipelineResult:
    """Return what is printed of a run."""
    return PipelineResult(run.pipeline, run.id, run.status, [of_step(step) for step in run.steps])


def of_step(step: StepRun) -> StepResult:
    """Return what is printed of a step."""
    seconds = None if step.seconds is None else round(step.seconds, 3)
    return StepResult(step.name, step.status, step.exit, seconds, step.result, step.tries, step.reason)


@dataclass(frozen=True)
class PlannedStep:
    """A step that would run.

    Attributes:
        name: The step's name.
        needs: The steps that it waits for.
        status: waiting; done and skipped if it would not run.
        command: Its command.
        reason: Why it would not run.
    """

    name: str
    needs: Sequence[str]
    status: StepStatus
    command: Sequence[str]
    reason: str


@dataclass(frozen=True)
class PipelinePlan(Tabular):
    """What a run would do.

    Attributes:
        pipeline: The pipeline's name.
        run: The run that would be resumed; None for a new one.
        steps: Its steps, in an order in which they may run.
    """

    pipeline: str
    run: str | None
    steps: Sequence[PlannedStep]

    def table(self) -> Sequence[PlannedStep]:
        return self.steps
