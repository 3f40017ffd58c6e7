"""The verbs: train, and a dry run of it."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli import run_schema
from mlpipes_cli.errors import ConfigError, MlpipesError
from mlpipes_cli.lifecycle.training import earlier, git, plan
from mlpipes_cli.lifecycle.training.report import CandidateResult, TrainingReport, from_record
from mlpipes_cli.lifecycle.training.workspace import Workspace

if TYPE_CHECKING:
    from mlpipes_cli.ports import Registry, Reporter, RunRecord, Tracking, TrainingProgress
    from mlpipes_cli.project import Project
    from mlpipes_cli.worker.pool import Pool


@dataclass(frozen=True)
class Request:
    """What the user asked for.

    Attributes:
        file: The experiment file's absolute path.
        shown_as: How messages call it.
        only: Names of the runs to train; all if empty.
        parallel: Candidates at a time; None for as many as there are cores.
        resume: Go on with the last session.
    """

    file: Path
    shown_as: str
    only: tuple[str, ...] = ()
    parallel: int | None = None
    resume: bool = False


@dataclass(frozen=True)
class Outline:
    """What a training would do.

    Attributes:
        experiment: Its name.
        model: The registered model's name.
        task: The kind of target.
        classes: Its labels.
        positive: The positive label of a binary target.
        metric: What decides.
        rows: In all.
        train: Of them, for training.
        holdout: Of them, for judging.
        features: Columns that the models see.
        fingerprint: Of the data.
        warnings: What a person should know of the data.
        candidates: name, trainer, what is trained, its params.
    """

    experiment: str
    model: str
    task: str
    classes: tuple[Any, ...]
    positive: Any
    metric: str
    rows: int
    train: int
    holdout: int
    features: int
    fingerprint: str
    warnings: tuple[str, ...]
    candidates: tuple[dict[str, Any], ...]


def dry_run(find_project: Callable[[], Project], request: Request, reporter: Reporter) -> Outline:
    """Check everything, read and split the data, train nothing; needs no stack.

    Raises:
        ConfigError: The file, or the data for it, has mistakes.
        UsageError: No such file, or no such run.
    """
    experiment = plan.read(request.file, request.shown_as, request.only)
    if experiment.unclear:
        import tempfile

        with tempfile.TemporaryDirectory() as folder, _pool(Path(folder) / "worker.log", 1) as pool:
            _check_by_import(experiment, Path(folder), pool)
    url = _endpoints(find_project())[1] if experiment.needs_database else None
    with reporter.task("reading the data"):
        made = plan.make(experiment, request.only, url)
    prepared = made.prepared
    return Outline(
        experiment=experiment.config.experiment,
        model=experiment.config.model_name,
        task=prepared.task,
        classes=prepared.classes,
        positive=prepared.positive,
        metric=made.metric,
        rows=len(prepared.frame),
        train=len(prepared.train),
        holdout=len(prepared.holdout),
        features=len(prepared.feature_names),
        fingerprint=prepared.fingerprint,
        warnings=prepared.warnings,
        candidates=tuple(
            {"name": c.name, "trainer": c.trainer, "trains": c.path, "params": c.spec["params"]}
            for c in made.candidates
        ),
    )


def train(
    find_project: Callable[[], Project], request: Request, reporter: Reporter, progress: TrainingProgress
) -> TrainingReport:
    """Train the candidates of an experiment file, each in a process of its own.

    Raises:
        ConfigError: The file, or the data for it, has mistakes.
        UsageError: No such file, no such run, no project.
        Interrupted: The user stopped it.
        MlpipesError: The stack is not running, or went away.
    """
    experiment = plan.read(request.file, request.shown_as, request.only)
    project = find_project()
    from mlpipes_cli.adapters.wiring import make_registry, make_tracking

    endpoints, database_url = _endpoints(project)
    tracking, registry = make_tracking(endpoints), make_registry(endpoints)
    tracking.reach()
    with _pool(project.logs / "worker.log", 1) as pool:
        before = _before(registry, experiment.config.experiment, reporter) if request.resume else []
        session = before[0].tags[run_schema.SESSION] if before else _identifier()
        workspace = Workspace(project.cache, session)
        with workspace.held():
            if experiment.unclear:
                _check_by_import(experiment, workspace.root, pool)
            with reporter.task("reading the data"):
                made = plan.make(experiment, request.only, database_url)
            for warning in made.prepared.warnings:
                reporter.warn(warning)
            _bury(tracking, before)
            return _train(made, session, before, request, workspace, pool, tracking, project, progress)


def _train(
    made: plan.Plan,
    session: str,
    before: Sequence[RunRecord],
    request: Request,
    workspace: Workspace,
    pool: Pool,
    tracking: Tracking,
    project: Project,
    progress: TrainingProgress,
) -> TrainingReport:
    from mlpipes_cli.data.store import save
    from mlpipes_cli.lifecycle.training.session import Session

    prepared = made.prepared
    taken = _taken(made, before)
    todo = [candidate for candidate in made.candidates if candidate.name not in taken]
    data = workspace.store(prepared.fingerprint)
    save(prepared, data)
    pool.parallel = request.parallel or max(1, min(_cores(), len(todo)))
    commit = git.commit(project.root)
    running = Session(made, data, session, commit, workspace, pool, tracking, progress)
    results = {result.name: result for result in running.run(todo, list(taken.values()))} | taken
    return TrainingReport(
        experiment=made.experiment.config.experiment,
        rows=len(prepared.frame),
        fingerprint=prepared.fingerprint,
        metric=made.metric,
        results=tuple(results[candidate.name] for candidate in made.candidates),
    )


def _taken(made: plan.Plan, before: Sequence[RunRecord]) -> dict[str, CandidateResult]:
    found = {c.name: earlier.finished(before, c, made.prepared.fingerprint) for c in made.candidates}
    return {name: from_record(run, earlier=True) for name, run in found.items() if run is not None}


def _before(registry: Registry, experiment: str, reporter: Reporter) -> list[RunRecord]:
    runs = earlier.last_session(registry.runs([experiment]))
    if not runs:
        reporter.info(f"there is no session of {experiment!r} to resume; starting one")
    return runs


def _bury(tracking: Tracking, before: Sequence[RunRecord]) -> None:
    """Runs whose process was killed before it could say so."""
    for run in before:
        if run.status == "RUNNING":
            tracking.give_up(run.run_id, "KILLED", "the process that trained it ended without a word", None)


def _identifier() -> str:
    return f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{uuid.uuid4().hex[:8]}"


def _endpoints(project: Project) -> tuple[Any, str]:
    from mlpipes_cli.adapters.wiring import make_runtime

    endpoints = make_runtime(project).endpoints()
    return endpoints, endpoints.database_url


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        return os.cpu_count() or 1


def _pool(log: Path, parallel: int) -> Pool:
    from mlpipes_cli.worker.pool import Pool

    return Pool(log, parallel)


def _check_by_import(experiment: plan.Experiment, folder: Path, pool: Pool) -> None:
    """Settle in a process of its own what the source alone did not tell.

    Raises:
        ConfigError: With a line for each mistake.
        MlpipesError: The process that looked at it crashed.
    """
    from mlpipes_cli.worker import protocol

    job = folder / "check"
    job.mkdir(parents=True, exist_ok=True)
    runs = [[position, experiment.config.runs[position].model_dump()] for position in experiment.unclear]
    content = {"kind": "check", "runs": runs, "folders": list(experiment.folders)}
    protocol.write(job / protocol.JOB, content)
    pool.submit("check", job)
    while pool.busy:
        for _ in pool.events():
            pass
    result = protocol.read(job / protocol.RESULT)
    if result is None or result["status"] != "ok":
        names = ", ".join(experiment.config.runs[position].name for position in experiment.unclear)
        why = f": {result['error']}" if result else " (its process crashed)"
        raise MlpipesError(f"{experiment.source.name}: the runs {names} cannot be imported{why}")
    source = experiment.source
    problems = [source.problem(("runs", run, *place), text) for run, place, text in result["problems"]]
    if problems:
        raise ConfigError(problems)
