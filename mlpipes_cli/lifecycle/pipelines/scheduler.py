"""Runs the steps by need, side by side where that allows it."""

from __future__ import annotations

import contextlib
import queue
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.lifecycle.pipelines import conditions
from mlpipes_cli.lifecycle.pipelines.attempt import GRACE
from mlpipes_cli.lifecycle.pipelines.conditions import ending
from mlpipes_cli.lifecycle.pipelines.selection import Selection
from mlpipes_cli.lifecycle.pipelines.step_worker import STOPPED, StepContext, StepWorker
from mlpipes_cli.ports.automation.pipeline_runs import ENDED, PipelineRun, RunStatus, StepRun, StepStatus

if TYPE_CHECKING:
    from mlpipes_cli.config.pipeline.config import PipelineConfig
    from mlpipes_cli.config.pipeline.steps import Step

_WAIT = 0.5  # seconds after which a signal is seen that came between two instructions


class Scheduler:
    """Runs one run of a pipeline to its end.

    Args:
        config: The pipeline.
        run: The run, with the state of each step.
        context: What its steps share.
        before: The newest state of steps in earlier runs, for conditions on steps that are left out.
        changed: Called with each new state of the run, in the thread of :meth:`run`.
    """

    def __init__(
        self,
        config: PipelineConfig,
        run: PipelineRun,
        context: StepContext,
        before: Mapping[str, StepRun],
        changed: Callable[[PipelineRun], None],
    ) -> None:
        selection = Selection(run.start_from, run.only)
        self._config, self._record, self._context = config, run, context
        self._chosen, self._named, self._before = selection.names(config), selection.named, before
        self._changed = changed
        self._states = dict(run.by_name)
        self._events: queue.SimpleQueue[StepRun] = queue.SimpleQueue()
        self._workers: dict[str, StepWorker] = {}

    def run(self) -> PipelineRun:
        """Run the steps; return the final state.

        Ctrl-C ends the steps and makes the run a stopped one, without an exception.

        Raises:
            MlpipesError: The state cannot be written; the steps are ended.
        """
        try:
            self._until_all_ended()
        except KeyboardInterrupt:
            self._stop()
            return self._finish(stopped=True)
        except BaseException:
            self._stop()
            raise
        return self._finish(stopped=False)

    def _until_all_ended(self) -> None:
        self._publish()
        while True:
            if self._skip_and_start():
                self._publish()
            if not self._workers:
                return
            self._take(self._next())

    def _next(self) -> StepRun:
        """Wait for the next state of a step, with pauses: a signal just before a wait does not end it."""
        while True:
            with contextlib.suppress(queue.Empty):
                return self._events.get(timeout=_WAIT)

    def _take(self, state: StepRun) -> None:
        self._states[state.name] = state
        if state.status in ENDED:
            self._workers.pop(state.name).join(1.0)
        self._publish()

    def _skip_and_start(self) -> bool:
        """Skip steps that cannot run, start those that can; return whether a step was skipped.

        Each step comes after those that it waits for.
        """
        skipped = False
        for state in list(self._states.values()):
            if state.status != "waiting" or state.name in self._workers:
                continue
            step = self._config.step(state.name)
            if not all(self._states[name].status in ENDED for name in self._inside(step.waits_for)):
                continue
            ended = self._not_to_run(step)
            if ended is not None:
                status, reason = ended
                moment = datetime.now(UTC)
                self._states[step.name] = replace(state, status=status, reason=reason, ended_at=moment)
                skipped = True
            elif len(self._workers) < self._config.parallel:
                worker = StepWorker(step, state, self._context, self._events.put)
                self._workers[step.name] = worker
                worker.start()
        return skipped

    def _inside(self, names: tuple[str, ...]) -> Iterator[str]:
        return (name for name in names if name in self._chosen)

    def _not_to_run(self, step: Step) -> tuple[StepStatus, str] | None:
        """Return the status and the reason of a step that does not run now that others have ended."""
        for name in self._inside(step.needs):
            if (status := self._states[name].status) != "done":
                return "skipped", f"step {name} {ending(status)}"
        known = {**self._before, **{name: self._states[name] for name in self._chosen}}
        asked = [one for one in step.conditions if one.step in self._chosen or step.name not in self._named]
        for one in asked:
            if one.step not in known:
                return "skipped", f"step {one.step} is left out, and no earlier run has its result"
        try:
            reason = conditions.unmet(asked, known)
        except MlpipesError as error:
            return "failed", f"when: {error.reason}"
        return None if reason is None else ("skipped", reason)

    def _stop(self) -> None:
        """End the running steps and take their last states; a second Ctrl-C kills them."""
        workers = list(self._workers.values())
        for worker in workers:
            worker.stop()
        deadline = time.monotonic() + 2 * GRACE
        for worker in workers:
            try:
                worker.join(max(0.0, deadline - time.monotonic()))
            except KeyboardInterrupt:
                for one in workers:
                    one.kill()
                worker.join(GRACE)
        with contextlib.suppress(queue.Empty):
            while True:
                state = self._events.get_nowait()
                self._states[state.name] = state
        for name, state in self._states.items():
            if state.status == "running":
                self._states[name] = replace(state, status="stopped", reason=STOPPED)

    def _publish(self, status: RunStatus = "running", ended_at: datetime | None = None) -> None:
        self._record = replace(
            self._record,
            status=status,
            ended_at=ended_at,
            change=self._record.change + 1,
            steps=tuple(self._states[step.name] for step in self._record.steps),
        )
        self._changed(self._record)

    def _finish(self, *, stopped: bool) -> PipelineRun:
        statuses = {state.status for state in self._states.values()}
        status: RunStatus = "done"
        if stopped:
            status = "stopped"
        elif "failed" in statuses:
            status = "failed"
        elif "refused" in statuses:
            status = "refused"
        self._publish(status, datetime.now(UTC))
        return self._record
