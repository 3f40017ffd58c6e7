"""``train``: trains the candidates of an experiment file."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlpipes_cli import mlflow_tags
from mlpipes_cli.errors import UsageError
from mlpipes_cli.lifecycle.secrets import model_key
from mlpipes_cli.lifecycle.training import (
    cache,
    plan,
    preflight,
    previous_sessions,
    termination,
    training_context,
)
from mlpipes_cli.lifecycle.training.environments import EnvironmentBuilds
from mlpipes_cli.lifecycle.training.import_checks import ImportChecks
from mlpipes_cli.lifecycle.training.prepared_versions import PreparedVersions
from mlpipes_cli.lifecycle.training.recording import git, run_logger
from mlpipes_cli.lifecycle.training.recording.report import TrainingReport, from_record
from mlpipes_cli.lifecycle.training.workspace import Workspace

if TYPE_CHECKING:
    from mlpipes_cli.lifecycle.training.ray_cluster import RayCluster
    from mlpipes_cli.ports import Reporter, RunRecord, Tracking, TrainingProgress
    from mlpipes_cli.project import ProjectFolder
    from mlpipes_cli.worker.pool import Pool


@dataclass(frozen=True)
class TrainRequest:
    """The options of ``train``.

    Attributes:
        file: The experiment file's absolute path.
        shown_as: The file's name in messages.
        only: Names of the runs to train; all if empty.
        parallel: Candidates at a time; None for as many as there are cores.
        resume: Continue the last session.
        force: Also train what is in the cache.
        rows: Rows that are added to those of the file.
    """

    file: Path
    shown_as: str
    only: tuple[str, ...] = ()
    parallel: int | None = None
    resume: bool = False
    force: bool = False
    rows: plan.RowsOfToday | None = None


def train(
    find_project: Callable[[], ProjectFolder],
    request: TrainRequest,
    reporter: Reporter,
    progress: TrainingProgress,
) -> TrainingReport:
    """Train the candidates of an experiment file, each in a process of its own.

    Raises:
        ConfigError: The file, or the data for it, has mistakes.
        UsageError: No such file, no such run, no project.
        Interrupted: The user stopped it.
        MlpipesError: The stack is not running, or stopped.
    """
    if request.resume and request.force:
        raise UsageError("--resume and --force cannot be combined", "use one of them")
    experiment = plan.read(request.file, request.shown_as, request.only)
    project = find_project()
    from mlpipes_cli.adapters.wiring import make_registry, make_tracking

    endpoints, database_url = training_context.endpoints(project)
    key = model_key(project.root)
    tracking, registry = make_tracking(endpoints, key), make_registry(endpoints)
    tracking.reach()
    with (
        training_context.environments_of(experiment, request.only, reporter) as environments,
        training_context.cluster_of(experiment, project, reporter) as cluster,
        training_context.workers(project.logs / "worker.log", experiment, request.only, environments) as pool,
    ):
        preflight.check(experiment, environments, request.only, reporter.warn)
        for built in environments.built.values() if cluster is None else ():
            pool.warm_up(built.python)
        known = [] if request.force else registry.runs([experiment.config.experiment])
        before = _before(known, experiment, reporter) if request.resume else []
        session = before[0].tags[mlflow_tags.SESSION] if before else _identifier()
        workspace = Workspace(project.cache, session)
        with workspace.held():
            by_import = ImportChecks(experiment, environments, request.only, workspace.root, pool)
            with reporter.task("reading the data"), termination.heard():
                versions = PreparedVersions(workspace.data)
                made = plan.make(experiment, request.only, database_url, versions, request.rows)
            if pool.busy:  # checking processes of other environments still import
                with termination.held():
                    run_logger.prepare(tracking)
            by_import.finish()
            made.tell(reporter)
            _bury(tracking, before)
            hashes = {name: environment.hash for name, environment in environments.built.items()}
            stored = cache.stored(registry, reporter.info)
            taken = cache.find(known, made, hashes, registry.run, key.id, stored)
            cache.take([run for runs in taken.values() for run in runs], made, session, tracking)
            return _train(
                made,
                session,
                taken,
                request,
                workspace,
                pool,
                tracking,
                project,
                progress,
                environments,
                cluster,
            )


def _train(
    made: plan.TrainingPlan,
    session: str,
    known: Mapping[str, Sequence[RunRecord]],
    request: TrainRequest,
    workspace: Workspace,
    pool: Pool,
    tracking: Tracking,
    project: ProjectFolder,
    progress: TrainingProgress,
    environments: EnvironmentBuilds,
    cluster: RayCluster | None,
) -> TrainingReport:
    from mlpipes_cli.data.prepared_cache import save
    from mlpipes_cli.lifecycle.training.session import Session

    prepared = made.prepared
    taken = {name: [from_record(run, cached=True) for run in runs] for name, runs in known.items()}
    todo = [candidate for candidate in made.candidates if candidate.name not in taken]
    data = workspace.store(prepared.fingerprint)
    if todo:
        save(prepared, data)
        made.remember()
    commit = git.commit(project.root)
    with training_context.placed(
        pool, cluster if todo else None, request.parallel, len(todo), project
    ) as store:
        running = Session(
            made, data, session, commit, workspace, store, tracking, progress, environments, cluster
        )
        results = running.run(todo, taken) | taken
    return TrainingReport(
        experiment=made.experiment.config.experiment,
        rows=len(prepared.frame),
        fingerprint=prepared.fingerprint,
        metric=made.metric,
        task=prepared.task,
        results=tuple(result for candidate in made.candidates for result in results[candidate.name]),
    )


def _before(known: Sequence[RunRecord], experiment: plan.Experiment, reporter: Reporter) -> list[RunRecord]:
    runs = previous_sessions.last_session(known)
    if not runs:
        name = experiment.config.experiment
        reporter.info(f"there is no session of {name!r} to resume; starting one")
    return runs


def _bury(tracking: Tracking, before: Sequence[RunRecord]) -> None:
    """End the runs whose process was killed before it could record that."""
    for run in before:
        if run.status == "RUNNING":
            tracking.give_up(
                run.run_id, "KILLED", "the process that trained it exited without a message", None
            )


def _identifier() -> str:
    return f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{uuid.uuid4().hex[:8]}"
