"""``mlpipes runs``: the stored runs, and one of them with its steps and logs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.lifecycle.pipelines import result
from mlpipes_cli.lifecycle.pipelines.journal import Journal, newest_first
from mlpipes_cli.lifecycle.pipelines.run import store_unstored
from mlpipes_cli.local_files import file_locks
from mlpipes_cli.ports.automation.pipeline_runs import PipelineRun, RunStatus, StepStatus

if TYPE_CHECKING:
    from mlpipes_cli.ports import Reporter
    from mlpipes_cli.ports.automation.pipeline_runs import PipelineStore
    from mlpipes_cli.project import ProjectFolder


@dataclass(frozen=True)
class RunEntry:
    """A run, as it is listed.

    Attributes:
        run: Its id, a UUID version 7.
        pipeline: The pipeline's name.
        status: running, done, failed, refused or stopped.
        started_at: UTC, ISO 8601.
        ended_at: UTC, ISO 8601; None while it runs.
        seconds: From its start to its end; None while it runs.
        actor: Who started or resumed it.
        host: The machine that it ran on.
        steps: The status of each step.
    """

    run: str
    pipeline: str
    status: RunStatus
    started_at: str
    ended_at: str | None
    seconds: float | None
    actor: str
    host: str
    steps: Mapping[str, StepStatus]


@dataclass(frozen=True)
class StepEntry(result.StepResult):
    """A step with its log.

    Attributes:
        started_at: UTC, ISO 8601; None if it did not start.
        ended_at: UTC, ISO 8601; None if it has not ended.
        log: The last lines of its log; empty on another machine than that of the run.
    """

    started_at: str | None
    ended_at: str | None
    log: Sequence[str]


@dataclass(frozen=True)
class RunDetail:
    """A run with its steps.

    Attributes:
        run: Its id.
        pipeline: The pipeline's name.
        status: running, done, failed, refused or stopped.
        started_at: UTC, ISO 8601.
        ended_at: UTC, ISO 8601; None while it runs.
        actor: Who started or resumed it.
        host: The machine that it ran on.
        logs: The folder with the whole logs, if it is on this machine.
        steps: Its steps.
    """

    run: str
    pipeline: str
    status: RunStatus
    started_at: str
    ended_at: str | None
    actor: str
    host: str
    logs: str | None
    steps: Sequence[StepEntry]


def runs(
    project: ProjectFolder, reporter: Reporter, *, pipeline: str | None = None, limit: int = 20
) -> list[RunEntry]:
    """Return the newest runs, newest first; without a database those of this machine, with a warning."""
    journal = Journal(project)
    found = list(journal.runs(pipeline))
    if (store := _store(project, journal, reporter)) is not None:
        with closing(store):
            found += store.runs(pipeline, limit)
    return [_entry(journal, run) for run in newest_first(found)[:limit]]


def run(project: ProjectFolder, reporter: Reporter, prefix: str, *, lines: int = 20) -> RunDetail:
    """Return one run.

    Args:
        project: The project.
        reporter: Gets a warning if the database does not answer.
        prefix: Its id, or the beginning of it.
        lines: The most lines of each log.

    Raises:
        UsageError: There is none, or several.
    """
    journal, wanted = Journal(project), prefix.strip().lower()
    found = [one for one in journal.runs() if one.id.startswith(wanted)]
    if (store := _store(project, journal, reporter)) is not None:
        with closing(store):
            found += store.run(wanted)
    matching = newest_first(found)
    if not wanted or not matching:
        raise UsageError(f"there is no run {prefix!r}", "`mlpipes runs` lists them")
    if len(matching) > 1:
        raise UsageError(f"several runs begin with {prefix!r}", "give more of the id")
    (one,) = matching
    folder = journal.folder(one.id)
    steps = [
        StepEntry(
            **vars(result.of_step(step)),
            started_at=_text(step.started_at),
            ended_at=_text(step.ended_at),
            log=journal.tail(one.id, step.name, lines),
        )
        for step in one.steps
    ]
    return RunDetail(
        one.id,
        one.pipeline,
        _status(journal, one),
        _text(one.started_at) or "",
        _text(one.ended_at),
        one.actor,
        one.host,
        project.shown(folder) if folder.is_dir() else None,
        steps,
    )


def _store(project: ProjectFolder, journal: Journal, reporter: Reporter) -> PipelineStore | None:
    """Return the database, after it got the runs that it missed; None, with a warning, if it is away."""
    from mlpipes_cli.adapters import database_wiring, wiring

    try:
        store = database_wiring.make_pipeline_store(wiring.make_runtime(project).endpoints().database_url)
        store_unstored(journal, store)
    except MlpipesError as error:
        reporter.warn(f"{error.lines()[0]}; only runs of this machine are shown")
        return None
    return store


def _entry(journal: Journal, run: PipelineRun) -> RunEntry:
    seconds = None if run.ended_at is None else round((run.ended_at - run.started_at).total_seconds(), 3)
    return RunEntry(
        run.id,
        run.pipeline,
        _status(journal, run),
        _text(run.started_at) or "",
        _text(run.ended_at),
        seconds,
        run.actor,
        run.host,
        {step.name: step.status for step in run.steps},
    )


def _status(journal: Journal, run: PipelineRun) -> RunStatus:
    """Return the status; a run of this machine that nothing holds was killed."""
    if run.status != "running" or not journal.folder(run.id).is_dir():
        return run.status
    try:
        with file_locks.held(journal.lock_file(run.pipeline)) as free:
            return "stopped" if free else "running"
    except (OSError, MlpipesError):
        return run.status


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="milliseconds")
