"""``mlpipes run``: the steps of a pipeline, by need, with everything that is stored of them."""

from __future__ import annotations

import contextlib
import os
import platform
import signal
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mlpipes_cli.config.pipeline.config import PipelineConfig, load_pipeline
from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.lifecycle.pipelines import result, selection
from mlpipes_cli.lifecycle.pipelines.commands import argv
from mlpipes_cli.lifecycle.pipelines.journal import Journal, newest_first
from mlpipes_cli.lifecycle.pipelines.leftovers import close_killed_runs, stopped
from mlpipes_cli.lifecycle.pipelines.recorder import Recorder
from mlpipes_cli.lifecycle.pipelines.scheduler import Scheduler
from mlpipes_cli.lifecycle.pipelines.selection import Selection
from mlpipes_cli.lifecycle.pipelines.step_worker import StepContext
from mlpipes_cli.local_files import env_file, file_locks
from mlpipes_cli.local_files.variables import VARIABLE
from mlpipes_cli.ports.automation.pipeline_runs import ALWAYS_KEPT, PipelineRun, StepRun

if TYPE_CHECKING:
    from mlpipes_cli.ports import Reporter
    from mlpipes_cli.ports.automation.pipeline_runs import PipelineStore
    from mlpipes_cli.project import ProjectFolder

_FLUSH = 10.0  # seconds for the database to take the last state
_TURN = 1.0  # seconds between two looks whether another machine's run has ended


class RunProgress(Protocol):
    """Follows a run."""

    def show_steps(self, steps: tuple[StepRun, ...]) -> None:
        """Show the present states, each time one changed."""


@dataclass(frozen=True)
class RunRequest:
    """What to run.

    Attributes:
        file: The pipeline's file.
        shown_as: How messages call it.
        selection: The steps.
        resume: Continue the newest run, if it is not done.
    """

    file: Path
    shown_as: str
    selection: Selection = field(default_factory=Selection)
    resume: bool = False

    def load(self, root: Path) -> PipelineConfig:
        """Read the file and check what is asked for.

        Raises:
            UsageError: It cannot be read, has mistakes, or has no such step.
        """
        config = load_pipeline(self.file, root, self.shown_as)
        self.selection.check(config)
        if self.resume and self.selection != Selection():
            raise UsageError("--resume continues a run with its own steps", "leave out --from and --only")
        return config


def plan(project: ProjectFolder, request: RunRequest) -> result.PipelinePlan:
    """Return what a run would do; nothing is started, and no stack is needed.

    Raises:
        UsageError: The file is wrong, or has no such step.
    """
    config = request.load(project.root)
    before = _to_resume(Journal(project).runs(config.pipeline)) if request.resume else None
    if before is None:
        steps = selection.new_steps(config, request.selection)
    else:
        steps = selection.resumed_steps(config, before)
    planned = []
    for state in steps:
        step = config.step(state.name)
        command = argv(step, project=project.root)
        planned.append(result.PlannedStep(step.name, step.waits_for, state.status, command, state.reason))
    return result.PipelinePlan(config.pipeline, None if before is None else before.id, planned)


def run(
    project: ProjectFolder, request: RunRequest, reporter: Reporter, progress: RunProgress
) -> result.PipelineResult:
    """Run a pipeline, or resume its newest run; the result says how it ended.

    Args:
        project: The project; its stack has to be up.
        request: What to run.
        reporter: Gets messages.
        progress: Gets the states of steps.

    Raises:
        UsageError: The file is wrong, has no such step, or a variable of it is not set.
        MlpipesError: The stack is not running, another run of the pipeline is, or state cannot be written.
    """
    from mlpipes_cli.adapters import database_wiring, wiring

    config = request.load(project.root)
    variables = _variables(project, config, request.shown_as)
    url = wiring.make_runtime(project).endpoints().database_url
    journal, store = Journal(project), database_wiring.make_pipeline_store(url)
    with contextlib.ExitStack() as stack:
        recorders: list[Recorder] = []
        stack.callback(lambda: _close(store, recorders))
        stack.enter_context(_locked(config, journal, store, reporter))
        close_killed_runs(journal, config.pipeline, reporter)
        store_unstored(journal, store)
        earlier = newest_first([*journal.runs(config.pipeline), *store.runs(config.pipeline, ALWAYS_KEPT)])
        record = _begin(config, request, earlier, reporter)
        if record.status == "done":
            reporter.info(f"run {record.id} is done; nothing is left to resume")
            return result.of_run(record)
        context = StepContext(project.root, record.id, journal, dict(os.environ), variables, reporter)
        recorder = Recorder(store, journal, reporter.warn)
        recorders.append(recorder)

        def changed(state: PipelineRun) -> None:
            journal.write(state)
            recorder.save(state)
            progress.show_steps(state.steps)

        try:
            with _signals():
                ended = Scheduler(config, record, context, _newest_states(earlier), changed).run()
        finally:
            is_stored = recorder.close(_FLUSH)
        if is_stored:
            _prune(config, journal, store)
        return result.of_run(ended)


def _close(store: PipelineStore, recorders: Iterable[Recorder]) -> None:
    """Close the connection, unless a query of it hangs: closing would wait for that."""
    if all(recorder.idle for recorder in recorders):
        store.close()


def store_unstored(journal: Journal, store: PipelineStore) -> None:
    """Store the runs that the database did not get while it was away.

    Raises:
        MlpipesError: It does not answer.
    """
    for one in journal.runs():
        if one.status != "running" and not journal.is_stored(one):
            store.save(one)
            journal.mark_stored(one)


def _begin(
    config: PipelineConfig, request: RunRequest, earlier: list[PipelineRun], reporter: Reporter
) -> PipelineRun:
    """Return the run to be made: a new one, or the newest one with the steps that it left open."""
    from mlpipes_cli.lifecycle.promotion.actor import user
    from mlpipes_cli.server.predictions.uuid7 import uuid7

    actor, host = user(), platform.node()
    if request.resume:
        before = _to_resume(earlier)
        if before is not None:
            if before.status == "done":
                return before
            for name in selection.changed_steps(config, before):
                reporter.info(f"step {name} runs again: the file has changed it")
            steps = selection.resumed_steps(config, before)
            return replace(before, status="running", ended_at=None, actor=actor, host=host, steps=steps)
        reporter.info(f"pipeline {config.pipeline} has no run to resume: this is its first one")
    chosen = request.selection
    steps = selection.new_steps(config, chosen)
    return PipelineRun(
        str(uuid7()), config.pipeline, "running", datetime.now(UTC), None, actor, host,
        chosen.start_from, chosen.only, 0, steps,
    )  # fmt: skip


def _to_resume(runs: list[PipelineRun]) -> PipelineRun | None:
    """Return the newest run; one that has no process any more is a stopped one."""
    if not runs:
        return None
    return stopped(runs[0]) if runs[0].status == "running" else runs[0]


def _newest_states(runs: list[PipelineRun]) -> Mapping[str, StepRun]:
    """Return how each step ended last."""
    found: dict[str, StepRun] = {}
    for one in runs:
        for step in one.steps:
            if step.status in ("done", "failed", "refused"):
                found.setdefault(step.name, step)
    return found


@contextlib.contextmanager
def _locked(
    config: PipelineConfig, journal: Journal, store: PipelineStore, reporter: Reporter
) -> Iterator[None]:
    """Hold the pipeline for this run: a lock of a file, for a lost database, and one of the database.

    Raises:
        MlpipesError: Another run has it, and the file says to refuse; or the database does not answer.
    """
    name, wait = config.pipeline, config.at_once == "wait"
    path = journal.lock_file(name)
    try:
        descriptor = file_locks.take(path)
        if descriptor is None and wait:
            reporter.info(f"another run of pipeline {name} is in progress: waiting for its end")
            descriptor = file_locks.take(path, wait=True)
    except OSError as error:
        raise MlpipesError(
            f"{path}: cannot be locked ({error.strerror})", "put the project on a local disk"
        ) from None
    if descriptor is None:
        raise _busy(name)
    try:
        waiting = False
        while not store.claim(name):
            if not wait:
                raise _busy(name)
            if not waiting:
                reporter.info(f"another machine runs pipeline {name}: waiting for the end of its run")
            waiting = True
            time.sleep(_TURN)
        yield
    finally:
        os.close(descriptor)


def _busy(name: str) -> MlpipesError:
    return MlpipesError(
        f"another run of pipeline {name!r} is in progress",
        "see `mlpipes runs`; with `at_once: wait` in the file a run waits for the end of the other",
    )


def _variables(project: ProjectFolder, config: PipelineConfig, name: str) -> Mapping[str, Mapping[str, str]]:
    """Return the filled ``env`` of each step.

    Raises:
        UsageError: A variable is not set.
    """
    if not any(step.env for step in config.steps):
        return {}
    known = {**env_file.read(project.env_file), **os.environ}

    def filled(step: str, text: str) -> str:
        def value(found: Any) -> str:
            variable = found[1] or found[2]
            if variable not in known:
                raise UsageError(
                    f"{name}: step {step!r}: the variable {variable} is not set",
                    "set it in the environment or in .env",
                )
            return known[variable]

        return VARIABLE.sub(value, text)

    return {
        step.name: {key: filled(step.name, text) for key, text in step.env.items()} for step in config.steps
    }


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """Let SIGTERM and a closed terminal stop the run as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before: dict[signal.Signals, Any] = {}
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            before[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _prune(config: PipelineConfig, journal: Journal, store: PipelineStore) -> None:
    """Remove old runs, in the database and on this machine."""
    with contextlib.suppress(MlpipesError):
        store.prune(config.pipeline, config.keep)
        for one in journal.runs(config.pipeline)[ALWAYS_KEPT:]:
            if datetime.now(UTC) - one.started_at > config.keep and journal.is_stored(one):
                journal.remove(one.id)
