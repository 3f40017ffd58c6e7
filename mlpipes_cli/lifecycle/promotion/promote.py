"""``promote``: moves the alias to the best run if the gates and the comparison allow it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mlpipes_cli import mlflow_tags
from mlpipes_cli.adapters import database_wiring
from mlpipes_cli.errors import MlpipesError, Refused
from mlpipes_cli.lifecycle.promotion import (
    actor,
    alias_moves,
    artifact_check,
    history_events,
    registry_context,
    selection,
    verdict,
    version_tags,
)
from mlpipes_cli.lifecycle.promotion.challenger import (
    Challenger,
    PromotionRequest,
    holdout_archive,
    lost_files,
    select_challenger,
)
from mlpipes_cli.lifecycle.promotion.champion import Champion
from mlpipes_cli.lifecycle.promotion.holdout import HoldoutSource
from mlpipes_cli.lifecycle.promotion.promotion_lock import one_at_a_time
from mlpipes_cli.lifecycle.promotion.verdict import AliasHolder, Verdict
from mlpipes_cli.lifecycle.trust import project_vault
from mlpipes_cli.ports import ModelVersion, Registry, Reporter, RunRecord
from mlpipes_cli.signing.vault import Untrusted

if TYPE_CHECKING:
    from mlpipes_cli.lifecycle.promotion.projects.origin import Origin
    from mlpipes_cli.project import ProjectFolder
    from mlpipes_cli.scoring.compare import ModelComparison


def promote(
    project: ProjectFolder, request: PromotionRequest, reporter: Reporter, *, dry_run: bool = False
) -> Verdict:
    """Decide, and unless it is a dry run, carry out the decision.

    Raises:
        UsageError: There is no such metric, alias, experiment or run.
        MlpipesError: The stack is down, nothing was trained, or the alias was moved by others.
    """
    registry_context.check_alias(request.alias)
    selection.check_metric(request.metric)
    stack = registry_context.connect(project)
    lock = contextlib.nullcontext() if dry_run else one_at_a_time(project.state, reporter)
    with lock:
        challenge = select_challenger(project, stack, request, reporter)
        decided = decide(project, stack, challenge, request, reporter)
        if decided.outcome != "promoted" or dry_run:
            outcome = "would promote" if decided.outcome == "promoted" else decided.outcome
            return replace(decided, outcome=outcome)
        done = carry_out(project, stack.registry, challenge, decided, request)
    database_wiring.tell_alias_moved(stack.endpoints.database_url, challenge.model_name)
    return done


def decide(
    project: ProjectFolder,
    stack: registry_context.RegistryContext,
    challenge: Challenger,
    request: PromotionRequest,
    reporter: Reporter,
    origin: Origin | None = None,
) -> Verdict:
    """Return the verdict, whose outcome ``promoted`` means yes; nothing is changed.

    Args:
        project: The project whose alias, gates and incumbent count.
        stack: Its stack.
        challenge: The challenger and the incumbent.
        request: The options.
        reporter: Shows progress and warnings.
        origin: Where the challenger comes from, if it is another project.
    """
    run, metric, holder = challenge.run, challenge.metric, challenge.holder
    config, before = project.config.promotion, holder or challenge.lost
    found = Verdict(
        outcome="unchanged",
        reason=f"version {holder.version if holder else '-'} already has the alias {request.alias}",
        hint="",
        model=challenge.model_name,
        alias=request.alias,
        experiment=run.experiment,
        candidate=run.name,
        run_id=run.run_id,
        metric=metric,
        value=run.metrics.get(metric, float("nan")),
        confidence=config.confidence,
        min_improvement=config.min_improvement,
        candidates=len(challenge.field.runs),
        gates=verdict.check_gates(config.gates, run),
        left_out=challenge.left_out,
        from_version=before.version if before else None,
        to_version=challenge.own_version,
        passed_over=challenge.passed_over,
    )
    if holder is not None and challenge.holds_already:
        return replace(found, incumbent=AliasHolder(holder.version, run.run_id, run.name, run.experiment))
    try:
        if origin is None:
            _want_signed(project, stack, challenge)
        else:
            with project_vault.fetched(origin.vault, origin.version.model, origin.version.version):
                pass
    except Untrusted as error:
        return _judged(replace(found, hint=error.hint), obstacle=error.reason)
    if holder is None:
        lost = challenge.lost
        return _judged(
            found,
            without_incumbent=lost_files(lost, request.alias) if lost else "no version has the alias yet",
        )
    incumbent_run = stack.registry.run(holder.run_id) if holder.run_id else None
    found = replace(found, incumbent=_described(holder, incumbent_run))
    try:
        with reporter.task(f"comparing {run.name} with version {holder.version}"):
            comparison, left_out, without = _compare(project, stack, challenge, incumbent_run, origin)
    except Refused as obstacle:
        return _judged(replace(found, hint=obstacle.hint), obstacle=obstacle.reason)
    artifact_check.warn_missing(without, reporter.warn)
    left = (*found.left_out, *without)
    return _judged(replace(found, comparison=comparison, rows_left_out=left_out, left_out=left))


def _want_signed(
    project: ProjectFolder, stack: registry_context.RegistryContext, challenge: Challenger
) -> None:
    """Make sure that the challenger's model may be loaded: otherwise it could not be served.

    Raises:
        Untrusted: It may not be loaded.
        MlpipesError: Its files are not available.
    """
    vault, run, version = project_vault.of(project, stack.endpoints), challenge.run, challenge.own_version
    if version is None:
        project_vault.want_sealed(
            vault, run.tags[mlflow_tags.MODEL_URI], f"{run.name} (run {run.run_id[:8]})"
        )
        return
    with project_vault.fetched(vault, challenge.model_name, version):
        pass


def _judged(found: Verdict, obstacle: str = "", without_incumbent: str = "") -> Verdict:
    yes, reason = verdict.judge(found.gates, found.incumbent, found.comparison, obstacle, without_incumbent)
    return replace(found, outcome="promoted" if yes else "refused", reason=reason)


def _described(holder: ModelVersion, run: RunRecord | None) -> AliasHolder:
    if run is None:
        return AliasHolder(holder.version, holder.run_id)
    return AliasHolder(holder.version, run.run_id, run.name, run.experiment)


def _compare(
    project: ProjectFolder,
    stack: registry_context.RegistryContext,
    challenge: Challenger,
    incumbent_run: RunRecord | None,
    origin: Origin | None,
) -> tuple[ModelComparison, int, list[str]]:
    """Compare on rows that are new to the champion; also return the rows left out and silent rivals."""
    from mlpipes_cli.scoring.compare import compare

    assert challenge.holder is not None
    archive = holdout_archive(project, stack)
    theirs = origin.archive if origin else archive  # the challenger's side: its rivals and its holdout
    runs = _rivals(challenge)
    told = list(zip(runs, theirs.all_predictions(runs), strict=True))
    said = {run.run_id: predictions for run, predictions in told if predictions is not None}
    without = [
        artifact_check.describe(run, artifact_check.SILENT)
        for run, predictions in told
        if predictions is None
    ]
    if (own := said.get(challenge.run.run_id)) is None:
        raise MlpipesError(
            f"the run {artifact_check.describe(challenge.run, artifact_check.SILENT)}",
            artifact_check.TRAIN_AGAIN,
        )
    said = {run_id: p for run_id, p in said.items() if p.classes == own.classes and p.rows == own.rows}
    holdouts = origin.holdouts if origin else HoldoutSource(project, archive, stack.endpoints.reader_url)
    incumbent = Champion(project_vault.of(project, stack.endpoints), archive, holdouts, challenge.holder)
    answers = incumbent.answers(incumbent_run, challenge.run, own)
    rivals = list(said.values())
    if answers.keep is not None:
        rivals = [predictions.take(answers.keep) for predictions in rivals]
    config = project.config.promotion
    try:
        found = compare(
            answers.predictions,
            rivals,
            list(said).index(challenge.run.run_id),
            challenge.metric,
            confidence=config.confidence,
            min_improvement=config.min_improvement,
        )
    except MlpipesError as error:  # undefined on these rows
        raise Refused(error.reason, error.hint) from None
    return found, answers.left_out, without


def _rivals(challenge: Challenger) -> Sequence[RunRecord]:
    """Return the runs that the challenger was picked from: those with the metric, without the champion's."""
    holder = {challenge.holder.run_id, challenge.holder_origin} if challenge.holder else set()
    runs, metric = challenge.field.runs, challenge.metric
    return [
        run for run in runs if run.run_id not in holder and (metric in run.metrics or run is challenge.run)
    ]


def carry_out(
    project: ProjectFolder,
    registry: Registry,
    challenge: Challenger,
    decided: Verdict,
    request: PromotionRequest,
    origin: Origin | None = None,
) -> Verdict:
    """Make the version if there is none, write the event and move the alias.

    Of another project's challenger, ``challenge.run`` is the copy.
    """
    run = challenge.run
    version = challenge.own_version
    if version is None:
        uri = run.tags[mlflow_tags.MODEL_URI]
        tags = version_tags.tags_of(run, challenge.field.task, challenge.metric)
        text = version_tags.description(run, challenge.metric, len(challenge.field.runs))
        version = registry.create_version(decided.model, run, uri, tags=tags, description=text)
    model = challenge.model or registry.model(decided.model)
    past = alias_moves.complete_moves(registry, model) if model else ()
    entry = _entry(project, decided, request, version, past[-1].id if past else "")
    if origin is not None:
        from_version = f"{origin.version.model}/{origin.version.version}"
        entry = replace(
            entry,
            run_id=run.run_id,
            from_project=origin.project.config.project,
            origin_version=from_version,
            origin_run=decided.run_id,
        )
    alias_moves.move_alias(registry, entry)
    return replace(decided, to_version=version)


def _entry(
    project: ProjectFolder, decided: Verdict, request: PromotionRequest, version: int, after: str
) -> history_events.HistoryEvent:
    now, found = datetime.now(UTC), decided.comparison
    return history_events.HistoryEvent(
        id=history_events.new_id(now, after),
        kind="promote",
        state="intent",
        model=decided.model,
        alias=decided.alias,
        from_version=decided.from_version,
        to_version=version,
        when=now.isoformat(timespec="milliseconds"),
        who=actor.user(),
        git_user=actor.git_user(project.root),
        reason=request.reason or decided.reason,
        experiment=decided.experiment,
        candidate=decided.candidate,
        run_id=decided.run_id,
        metric=decided.metric,
        challenger=found.challenger if found else decided.value,
        incumbent=found.incumbent if found else None,
        lower=found.lower if found else None,
        candidates=decided.candidates,
        rows=found.rows if found else None,
    )
