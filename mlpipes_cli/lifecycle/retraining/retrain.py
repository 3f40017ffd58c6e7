"""``mlpipes retrain``: trains the experiment on the rows of today and promotes through the gates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from mlpipes_cli import mlflow_tags
from mlpipes_cli.config.retraining.settings import Retrain
from mlpipes_cli.errors import MlpipesError, Refused
from mlpipes_cli.lifecycle import training
from mlpipes_cli.lifecycle.promotion import actor, registry_context
from mlpipes_cli.lifecycle.promotion import promote as promotions
from mlpipes_cli.lifecycle.promotion.challenger import PromotionRequest
from mlpipes_cli.lifecycle.retraining import causes, interrupted, limits, succession
from mlpipes_cli.lifecycle.retraining.result import Retrained
from mlpipes_cli.lifecycle.retraining.served import TodaysRows
from mlpipes_cli.lifecycle.training import plan

if TYPE_CHECKING:
    from mlpipes_cli.config.retraining.causes import Condition
    from mlpipes_cli.lifecycle.retraining.causes import Cause
    from mlpipes_cli.ports import RegisteredModel, Reporter, TrainingProgress
    from mlpipes_cli.ports.retraining.served_rows import ServedRows
    from mlpipes_cli.ports.retraining.store import Retraining, RetrainingStore, Turn
    from mlpipes_cli.project import ProjectFolder


@dataclass(frozen=True)
class RetrainRequest:
    """The options of ``retrain``.

    Attributes:
        conditions: Train only if one of these holds; None to train in any case.
        file: The experiment file's absolute path; None for that of ``monitoring: retrain``.
        to: The alias that a better model gets; None for that of ``monitoring: retrain``.
        dry_run: Say what would be done, and write nothing.
        force: Leave out the cool-down and the limit on tries.
        look_back: With ``rollback_if``: first take the alias back from a promoted version that does worse.
    """

    conditions: tuple[Condition, ...] | None = None
    file: Path | None = None
    to: str | None = None
    dry_run: bool = False
    force: bool = False
    look_back: bool = True


@dataclass(frozen=True)
class _Work:
    """What a retraining uses."""

    project: ProjectFolder
    request: RetrainRequest
    settings: Retrain
    stack: registry_context.RegistryContext
    store: RetrainingStore
    served: ServedRows
    file: Path
    model: str
    alias: str
    reporter: Reporter

    def registered(self) -> RegisteredModel | None:
        """Return the registered model as it is now."""
        return self.stack.registry.model(self.model)

    def history(self) -> Sequence[Retraining]:
        """Return the model's retrainings, newest first."""
        return self.store.retrainings(self.model, limits.LOOKED_BACK)

    def result(self, retrained: bool, outcome: str, why: str, cause: Cause | None = None) -> Retrained:
        """Return a result without figures."""
        kind = None if cause is None else cause.kind
        check = None if cause is None or cause.check is None else str(cause.check)
        return Retrained(retrained, outcome, why, self.model, self.alias, kind, check)


def retrain(
    project: ProjectFolder, request: RetrainRequest, reporter: Reporter, progress: TrainingProgress
) -> Retrained:
    """Look for a cause, train on the rows of today, and promote what is better.

    Returns:
        What was done; a gate or a limit that said no has the outcome ``refused``.

    Raises:
        ConfigError: The experiment file, or the data for it, has mistakes.
        UsageError: There is no such file.
        MlpipesError: The stack is not running, another retraining runs, or no candidate could be trained.
    """
    work = _opened(project, request, reporter)
    if request.look_back and not request.dry_run and work.settings.rollback_if is not None:
        undone = succession.watch(project, reporter)
        if undone is not None and undone.model == work.model:
            return work.result(False, "rolled back", undone.reason)
    cause, why = _cause(work)
    if cause is None:
        return work.result(False, "nothing", f"nothing to do: {why}")
    if request.dry_run:
        return _dry(work, cause)
    with work.store.turn(work.model) as turn:
        if turn is None:
            raise MlpipesError(
                f"another retraining of model {work.model!r} runs",
                "wait until it ends; see `mlpipes monitor history`",
            )
        interrupted.close(work.store, work.history(), work.registered(), reporter)
        if not request.force and (no := limits.why_not(work.settings, work.history(), work.store.now())):
            hint = "--force leaves the limits out"
            return replace(work.result(False, "refused", f"not retrained: {no}", cause), hint=hint)
        return _recorded(work, cause, turn, progress)


def _opened(project: ProjectFolder, request: RetrainRequest, reporter: Reporter) -> _Work:
    from mlpipes_cli.adapters import database_wiring

    settings = project.config.monitoring.retrain or Retrain()
    alias = registry_context.check_alias(request.to or settings.to)
    file = request.file or project.root / settings.experiment
    experiment = plan.read(file, project.shown(file))
    stack = registry_context.connect(project)
    store, served = database_wiring.make_retraining(stack.endpoints.database_url)
    store.prepare()
    model = experiment.config.model_name
    return _Work(project, request, settings, stack, store, served, file, model, alias, reporter)


def _cause(work: _Work) -> tuple[Cause | None, str]:
    """Return the cause, or None and why there is none."""
    if work.request.conditions is None:
        return causes.BY_HAND, ""
    from mlpipes_cli.adapters import database_wiring

    model, alias = work.registered(), work.project.config.serving.alias
    number = None if model is None else model.aliases.get(alias)
    version = (
        next((version for version in model.versions if version.version == number), None) if model else None
    )
    if version is None:
        return None, f"model {work.model!r} has no {alias!r} version yet"
    checks, _ = database_wiring.make_monitoring(work.stack.endpoints.database_url)
    found = checks.checks(work.model, version.version, limits.LOOKED_BACK)
    since = causes.since(version, work.history())
    return causes.find(work.request.conditions, found, lambda: work.served.count(work.model, since))


def _dry(work: _Work, cause: Cause) -> Retrained:
    """Read the rows and say what would be done."""
    rows = TodaysRows(work.model, work.settings.holdout, work.served)
    if work.settings.dataset is not None:
        work.reporter.info(
            f"{work.settings.dataset} would be loaded and prepared first; its newest version is read"
        )
    planned = training.dry_run(lambda: work.project, _training(work, rows), work.reporter)
    no = "" if work.request.force else limits.why_not(work.settings, work.history(), work.store.now())
    number = len(planned.candidates)
    trained = f"{number} candidate{'s' if number > 1 else ''}"
    outcome = f"would train {trained} ({cause.summary}) and move {work.alias} if one is better"
    found = work.result(
        False, "would refuse" if no else "would retrain", f"not retrained: {no}" if no else outcome, cause
    )
    return replace(found, rows=rows.counts, dataset=planned.dataset)


def _recorded(work: _Work, cause: Cause, turn: Turn, progress: TrainingProgress) -> Retrained:
    """Train, with its begin and its end in the stored history."""
    from mlpipes_cli.server.predictions.uuid7 import uuid7

    id = UUID(str(uuid7()))
    keep = work.project.config.monitoring.keep
    work.store.begin(id, work.model, cause.kind, cause.check, actor.user(), keep)
    try:
        done = _trained(work, cause, id, turn, progress)
    except Refused as error:
        work.store.end(id, "refused", error.lines()[0])
        return replace(work.result(False, "refused", error.reason, cause), id=str(id), hint=error.hint)
    except MlpipesError as error:
        _failed(work, id, error.lines()[0])
        raise
    except BaseException as error:
        _failed(work, id, f"stopped: {type(error).__name__}")
        raise
    run, version = (done.promotion.run_id, done.promotion.to_version) if done.promotion else (None, None)
    work.store.end(id, done.outcome, done.why, run, version if done.outcome == "promoted" else None)
    return done


def _failed(work: _Work, id: UUID, why: str) -> None:
    """Store that a retraining failed; without a database the next call finds it without an end."""
    try:
        work.store.end(id, "failed", why)
    except MlpipesError as error:
        work.reporter.warn(f"the end of the retraining is not stored: {error.lines()[0]}")


def _trained(work: _Work, cause: Cause, id: UUID, turn: Turn, progress: TrainingProgress) -> Retrained:
    work.reporter.info(f"retraining model {work.model!r}: {cause.summary}")
    if work.settings.dataset is not None:
        _new_version(work, work.project.root / work.settings.dataset)
    tags = {mlflow_tags.RETRAINING: str(id), mlflow_tags.RETRAINING_CAUSE: cause.kind}
    if cause.check is not None:
        tags[mlflow_tags.RETRAINING_CHECK] = str(cause.check)
    rows = TodaysRows(work.model, work.settings.holdout, work.served, tags)
    report = training.train(lambda: work.project, _training(work, rows), work.reporter, progress)
    if not any(result.status == "FINISHED" for result in report.results):
        errors = "; ".join(f"{result.name}: {result.error}" for result in report.results if result.error)
        raise MlpipesError(f"no candidate could be trained: {errors}", "see `mlpipes leaderboard`")
    turn.verify()
    request = PromotionRequest(
        experiment=report.experiment,
        alias=work.alias,
        reason=f"retraining {id}: {cause.summary}",
        holdout=rows.holdout,
    )
    verdict = promotions.promote(work.project, request, work.reporter)
    why = f"not promoted: {verdict.reason}"
    if verdict.outcome == "promoted":
        why = f"promoted version {verdict.to_version} to {work.alias}: {verdict.reason}"
    found = work.result(True, verdict.outcome, why, cause)
    return replace(
        found, id=str(id), rows=rows.counts, training=report.document(), promotion=verdict, hint=verdict.hint
    )


def _new_version(work: _Work, file: Path) -> None:
    """Load the source of a data set and prepare a version, unless it has these rows already.

    Raises:
        Refused: A check of the data failed.
        MlpipesError: The source cannot be read.
    """
    from mlpipes_cli.lifecycle.datasets import load, prepare

    load.load(work.project, file, work.reporter)
    prepare.prepare(work.project, file, work.reporter)


def _training(work: _Work, rows: TodaysRows) -> training.TrainRequest:
    return training.TrainRequest(file=work.file, shown_as=work.project.shown(work.file), rows=rows)
