"""``promote``: the best run takes the alias if the gates and the comparison say so."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mlpipes_cli import metric_catalog, run_schema
from mlpipes_cli.errors import MlpipesError, Refused
from mlpipes_cli.lifecycle.promotion import access, events, moves, selection, verdict, versions, who
from mlpipes_cli.lifecycle.promotion.evidence import Archive
from mlpipes_cli.lifecycle.promotion.holdout import HoldoutSource
from mlpipes_cli.lifecycle.promotion.incumbent import Incumbent
from mlpipes_cli.lifecycle.promotion.lock import one_at_a_time
from mlpipes_cli.lifecycle.promotion.verdict import Holder, Verdict
from mlpipes_cli.lifecycle.promotion.withdrawn import Withdrawn, withdrawn
from mlpipes_cli.ports import ModelVersion, RegisteredModel, Registry, Reporter, RunRecord

if TYPE_CHECKING:
    from mlpipes_cli.project import Project
    from mlpipes_cli.scoring.compare import Comparison


@dataclass(frozen=True)
class Wish:
    """What the user asked for.

    Attributes:
        metric: Picks and judges; None for the configured one.
        experiment: None for the newest.
        run: A run id, the start of one, or a candidate's name; None for the best.
        alias: To move.
        reason: For the history.
    """

    metric: str | None = None
    experiment: str | None = None
    run: str | None = None
    alias: str = "production"
    reason: str = ""


@dataclass(frozen=True)
class Challenge:
    """Who was put forward, and against whom.

    Attributes:
        field: The runs on the same holdout.
        metric: What decides.
        run: The challenger.
        model: The registered model, or None if it is yet to be made.
        holder: The version that holds the alias, or None.
        passed_over: Runs that were rolled back, and so not picked.
    """

    field: selection.Field
    metric: str
    run: RunRecord
    model: RegisteredModel | None
    holder: ModelVersion | None
    passed_over: tuple[Withdrawn, ...] = ()

    @property
    def model_name(self) -> str:
        """The registered model's."""
        return self.run.tags.get(run_schema.MODEL_NAME) or self.run.experiment

    @property
    def own_version(self) -> int | None:
        """The version that the challenger's run has already, if any."""
        versions = self.model.versions if self.model else ()
        return next((v.version for v in versions if v.run_id == self.run.run_id), None)


def promote(project: Project, wish: Wish, reporter: Reporter, *, dry_run: bool = False) -> Verdict:
    """Decide, and unless it is a dry run do what was decided.

    Raises:
        UsageError: There is no such metric, alias, experiment or run.
        MlpipesError: The stack is down, nothing was trained, or somebody interfered.
    """
    access.check_alias(wish.alias)
    selection.check_metric(wish.metric)
    stack = access.connect(project)
    lock = contextlib.nullcontext() if dry_run else one_at_a_time(project.state, reporter)
    with lock:
        challenge = put_forward(project, stack.registry, wish, reporter)
        decided = decide(project, stack, challenge, wish, reporter)
        if decided.outcome != "promoted" or dry_run:
            outcome = "would promote" if decided.outcome == "promoted" else decided.outcome
            return replace(decided, outcome=outcome)
        return carry_out(project, stack.registry, challenge, decided, wish)


def put_forward(project: Project, registry: Registry, wish: Wish, reporter: Reporter) -> Challenge:
    """Pick the challenger and look up who holds the alias."""
    known = registry.runs()
    experiment, others = selection.pick_experiment(known, wish.experiment, wish.run)
    if wish.experiment is None and len(others) > 1:
        listed = ", ".join(name for name in others if name != experiment)
        reporter.info(f"promoting from the experiment {experiment} (--experiment; there is also {listed})")
    runs = [run for run in known if run.experiment == experiment]
    asked = selection.find_run(runs, wish.run) if wish.run else None
    field = selection.field_of(runs, asked)
    metric = selection.pick_metric(field, wish.metric, project.config.promotion.metric)
    if asked is not None and not selection.has(asked, metric):
        raise MlpipesError(selection.missing(asked, metric), "take another --metric")
    run = asked or selection.best(field, metric)
    challenge = Challenge(field, metric, run, None, None)
    model = registry.model(challenge.model_name)
    holder = _holder(model, wish.alias)
    gone = withdrawn(model, wish.alias)
    if asked is None:  # of equal runs the one that holds the alias stays
        gone = {item.run_id: gone[item.run_id] for item in field.runs if item.run_id in gone}
        for one in gone.values():
            reporter.warn(f"{one.told()}; it is passed over (--run {one.run_id[:8]} promotes it again)")
        run = selection.best(field, metric, holder.run_id if holder else None, gone)
    elif run.run_id in gone:
        reporter.warn(f"{gone[run.run_id].told()}; it is put forward again, as --run asks")
    _warn(field, metric, reporter)
    passed_over = tuple(gone.values()) if asked is None else ()
    return Challenge(field, metric, run, model, holder, passed_over)


def _warn(field: selection.Field, metric: str, reporter: Reporter) -> None:
    """What a person should know of the runs before one of them is put forward."""
    without = [selection.missing(run, metric) for run in field.runs if not selection.has(run, metric)]
    for why in dict.fromkeys(without):
        reporter.warn(f"{why}; it takes no part")
    rows = field.runs[0].tags.get(run_schema.TELLING_ROWS, "")
    if rows.isdigit() and (few := metric_catalog.few_rows(field.task, metric, int(rows))):
        reporter.warn(few)


def _holder(model: RegisteredModel | None, alias: str) -> ModelVersion | None:
    number = model.aliases.get(alias) if model else None
    return next((v for v in model.versions if v.version == number), None) if model else None


def decide(
    project: Project, stack: access.Stack, challenge: Challenge, wish: Wish, reporter: Reporter
) -> Verdict:
    """The verdict: ``promoted`` stands for yes; nothing is changed."""
    run, metric, holder = challenge.run, challenge.metric, challenge.holder
    config = project.config.promotion
    found = Verdict(
        outcome="unchanged",
        reason=f"version {holder.version if holder else '-'} holds {wish.alias} already",
        hint="",
        model=challenge.model_name,
        alias=wish.alias,
        experiment=run.experiment,
        candidate=run.name,
        run_id=run.run_id,
        metric=metric,
        value=run.metrics.get(metric, float("nan")),
        confidence=config.confidence,
        min_improvement=config.min_improvement,
        candidates=len(challenge.field.runs),
        gates=verdict.check_gates(config.gates, run),
        from_version=holder.version if holder else None,
        to_version=challenge.own_version,
        passed_over=challenge.passed_over,
    )
    if holder is None:
        return _judged(found)
    if holder.run_id == run.run_id:
        return replace(found, incumbent=Holder(holder.version, run.run_id, run.name, run.experiment))
    incumbent_run = stack.registry.run(holder.run_id) if holder.run_id else None
    found = replace(found, incumbent=_described(holder, incumbent_run))
    try:
        with reporter.task(f"comparing {run.name} with version {holder.version}"):
            comparison, left_out = _compare(project, stack, challenge, incumbent_run)
    except Refused as obstacle:
        return _judged(replace(found, hint=obstacle.hint), obstacle=obstacle.reason)
    return _judged(replace(found, comparison=comparison, rows_left_out=left_out))


def _judged(found: Verdict, obstacle: str = "") -> Verdict:
    yes, reason = verdict.judge(found.gates, found.incumbent, found.comparison, obstacle)
    return replace(found, outcome="promoted" if yes else "refused", reason=reason)


def _described(holder: ModelVersion, run: RunRecord | None) -> Holder:
    if run is None:
        return Holder(holder.version, holder.run_id)
    return Holder(holder.version, run.run_id, run.name, run.experiment)


def _compare(
    project: Project, stack: access.Stack, challenge: Challenge, incumbent_run: RunRecord | None
) -> tuple[Comparison, int]:
    """The comparison on the rows that are new to the incumbent, and how many rows are not."""
    from mlpipes_cli.scoring.compare import compare

    assert challenge.holder is not None
    archive = Archive(stack.registry, project.cache / "runs")
    runs = _rivals(challenge)
    said = dict(zip((run.run_id for run in runs), archive.all_predictions(runs), strict=True))
    own = said[challenge.run.run_id]
    said = {run_id: p for run_id, p in said.items() if p.classes == own.classes and p.rows == own.rows}
    holdouts = HoldoutSource(project, archive, stack.endpoints.database_url)
    incumbent = Incumbent(stack.registry, archive, holdouts, challenge.holder)
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
    return found, answers.left_out


def _rivals(challenge: Challenge) -> Sequence[RunRecord]:
    """All that the challenger was picked from: those with the metric, but for the incumbent itself."""
    holder = challenge.holder.run_id if challenge.holder else None
    runs, metric = challenge.field.runs, challenge.metric
    return [run for run in runs if run.run_id != holder and (metric in run.metrics or run is challenge.run)]


def carry_out(
    project: Project, registry: Registry, challenge: Challenge, decided: Verdict, wish: Wish
) -> Verdict:
    """Make the version if there is none, write the event and move the alias."""
    run = challenge.run
    version = challenge.own_version
    if version is None:
        uri = run.tags[run_schema.MODEL_URI]
        tags = versions.tags_of(run, challenge.field.task, challenge.metric)
        text = versions.description(run, challenge.metric, len(challenge.field.runs))
        version = registry.create_version(decided.model, run, uri, tags=tags, description=text)
    model = challenge.model or registry.model(decided.model)
    past = moves.settle(registry, model) if model else ()
    moves.move_alias(registry, _entry(project, decided, wish, version, past[-1].id if past else ""))
    return replace(decided, to_version=version)


def _entry(project: Project, decided: Verdict, wish: Wish, version: int, after: str) -> events.Entry:
    now, found = datetime.now(UTC), decided.comparison
    return events.Entry(
        id=events.new_id(now, after),
        kind="promote",
        state="intent",
        model=decided.model,
        alias=decided.alias,
        from_version=decided.from_version,
        to_version=version,
        when=now.isoformat(timespec="milliseconds"),
        who=who.user(),
        git_user=who.git_user(project.root),
        reason=wish.reason or decided.reason,
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
