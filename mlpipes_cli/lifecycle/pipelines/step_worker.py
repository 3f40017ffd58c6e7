"""Runs one step to its end: its tries, the time between them, and how each one is judged."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mlpipes_cli.errors import MlpipesError, Refused, UsageError
from mlpipes_cli.lifecycle.pipelines.attempt import TIMEOUT_CODE, Attempt, Ended
from mlpipes_cli.lifecycle.pipelines.commands import argv, this_program
from mlpipes_cli.lifecycle.pipelines.step_log import StepLog
from mlpipes_cli.ports.automation.pipeline_runs import StepRun, StepStatus

if TYPE_CHECKING:
    from mlpipes_cli.config.pipeline.steps import Step
    from mlpipes_cli.lifecycle.pipelines.journal import Journal
    from mlpipes_cli.ports import Reporter

RUN_MARK, STEP_MARK = "MLPIPES_PIPELINE_RUN", "MLPIPES_PIPELINE_STEP"
_FINAL = (UsageError.exit_code, Refused.exit_code)  # trying again does not help
STOPPED = "the run was stopped"
_REASON = 300  # characters


@dataclass(frozen=True)
class StepContext:
    """What all steps of a run share.

    Attributes:
        root: The project's folder.
        run: The run's id.
        journal: Where logs are kept.
        environment: The variables of this process.
        variables: The values of ``env`` of each step, filled.
        reporter: Gets log lines as details.
    """

    root: Path
    run: str
    journal: Journal
    environment: Mapping[str, str]
    variables: Mapping[str, Mapping[str, str]]
    reporter: Reporter


class StepWorker:
    """Runs a step in a thread.

    Args:
        step: The step.
        state: Its state before.
        context: What the steps share.
        post: Called with each new state, in the thread.
    """

    def __init__(
        self, step: Step, state: StepRun, context: StepContext, post: Callable[[StepRun], None]
    ) -> None:
        self._step, self._state, self._context, self._post = step, state, context, post
        self._stop = threading.Event()
        self._attempt: Attempt | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Make the step end: SIGTERM to its processes, SIGKILL after a grace period; return at once."""
        self._stop.set()
        if (attempt := self._attempt) is not None:
            threading.Thread(target=attempt.stop, daemon=True).start()

    def kill(self) -> None:
        """Kill the step's processes."""
        self._stop.set()
        if (attempt := self._attempt) is not None:
            attempt.signal(signal.SIGKILL)

    def join(self, seconds: float) -> bool:
        """Wait for the end of the thread; return whether it has ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        log = StepLog(self._context.journal.log(self._context.run, self._step.name), self._show)
        try:
            self._tries(log)
        except MlpipesError as error:
            self._end("failed", None, error.lines()[0])
        except BaseException as error:  # noqa: BLE001 (a step that ended without a state would never end)
            self._end("failed", None, f"{type(error).__name__}: {error}")
        finally:
            log.close()

    def _tries(self, log: StepLog) -> None:
        begun, retry = time.monotonic(), 0
        started = datetime.now(UTC)
        while True:
            tries = self._state.tries + 1
            self._state = replace(self._state, status="running", tries=tries, started_at=started, reason="")
            self._post(self._state)
            ended = self._once(log, tries)
            self._state = replace(
                self._state, exit=ended.exit, result=ended.result, seconds=time.monotonic() - begun
            )
            if self._stop.is_set():  # whatever its exit code says: it may have ended itself early
                self._end("stopped", ended.exit, STOPPED)
                return
            if ended.exit == 0 or ended.exit in self._step.allow:
                self._end("done", ended.exit, ended.reason)
                return
            reason = self._reason(ended, log)
            retry += 1
            if retry > self._step.retries or (self._step.run is None and ended.exit in _FINAL):
                refused = ended.exit == Refused.exit_code
                self._end("refused" if refused else "failed", ended.exit, reason)
                return
            delay = self._step.delay(retry)
            self._state = replace(self._state, reason=f"{reason}; retry {retry} in {delay:g} s")
            self._post(self._state)
            if self._stop.wait(delay):
                self._end("stopped", ended.exit, STOPPED)
                return

    def _once(self, log: StepLog, tries: int) -> Ended:
        step, context = self._step, self._context
        moment = datetime.now(UTC).isoformat(timespec="seconds")
        log.write(f"--- try {tries}, {moment}".encode())
        attempt = Attempt(
            argv(step, program=this_program(), project=context.root),
            context.root,
            self._environment(),
            log,
            log_output=step.run is not None,
        )
        note = context.journal.folder(context.run) / f"{step.name}.pid"
        with suppress(OSError):
            note.write_text(f"{attempt.pid}\n")
        self._attempt = attempt
        if self._stop.is_set():
            attempt.stop()
        try:
            return attempt.wait(step.timeout)
        finally:
            self._attempt = None
            note.unlink(missing_ok=True)

    def _environment(self) -> dict[str, str]:
        """Return the variables: ``python`` and ``mlpipes`` of a shell command are those of this process."""
        context = self._context
        found = {**context.environment, **context.variables.get(self._step.name, {})}
        programs = str(Path(sys.executable).parent)
        found["PATH"] = os.pathsep.join((programs, found.get("PATH", os.defpath)))
        return found | {RUN_MARK: context.run, STEP_MARK: self._step.name}

    def _reason(self, ended: Ended, log: StepLog) -> str:
        """Return why the step failed; the output of a shell command, which may hold anything, is left out."""
        if ended.exit == TIMEOUT_CODE or self._step.run is not None or not log.last:
            return ended.reason or f"exit code {ended.exit}"
        return log.last.removeprefix("error: ")[:_REASON]

    def _end(self, status: StepStatus, code: int | None, reason: str) -> None:
        self._state = replace(
            self._state,
            status=status,
            exit=code if code is not None else self._state.exit,
            ended_at=datetime.now(UTC),
            reason=reason,
        )
        self._post(self._state)

    def _show(self, line: str) -> None:
        if line:
            self._context.reporter.detail(f"{self._step.name}: {line}")
