"""``promote --to-project``: the version is judged by the other project's rules, copied, and promoted there.

Nothing is written before the decision. Then, in this order: the run's copy, which is no candidate before it
is complete; the version; the other project's history and alias; this project's history. Each step is found
again by the id of the run that it came from, so a call after an interrupted one does what is left.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mlpipes_cli import mlflow_tags
from mlpipes_cli.adapters import database_wiring
from mlpipes_cli.errors import MlpipesError, Refused
from mlpipes_cli.lifecycle.promotion import (
    alias_moves,
    artifact_check,
    history_events,
    registry_context,
    selection,
)
from mlpipes_cli.lifecycle.promotion import promote as within
from mlpipes_cli.lifecycle.promotion.challenger import (
    Challenger,
    PromotionRequest,
    alias_holder,
    lost_files,
)
from mlpipes_cli.lifecycle.promotion.projects import address, origin
from mlpipes_cli.lifecycle.promotion.projects.origin import Origin
from mlpipes_cli.lifecycle.promotion.promotion_lock import one_at_a_time
from mlpipes_cli.lifecycle.promotion.rolled_back import rolled_back_runs
from mlpipes_cli.lifecycle.secrets import model_key
from mlpipes_cli.lifecycle.trust import project_vault

if TYPE_CHECKING:
    from pathlib import Path

    from mlpipes_cli.lifecycle.promotion.verdict import Verdict
    from mlpipes_cli.ports import Reporter
    from mlpipes_cli.ports.delivery.run_copies import RunCopies
    from mlpipes_cli.project import ProjectFolder


@dataclass(frozen=True)
class _Receiver:
    """The project that gets the version."""

    project: ProjectFolder
    stack: registry_context.RegistryContext
    copies: RunCopies


def promote(
    project: ProjectFolder,
    to_project: str,
    base: Path,
    request: PromotionRequest,
    reporter: Reporter,
    *,
    dry_run: bool = False,
) -> Verdict:
    """Decide by the other project's gates and incumbent, and unless it is a dry run, carry it out.

    Args:
        project: The project that has the version.
        to_project: The folder of the other project, as a path or a ``file://`` URL.
        base: What a relative path starts from.
        request: The options; ``alias`` is one of the other project.
        reporter: Shows progress and warnings.
        dry_run: Decide, and change nothing.

    Raises:
        UsageError: There is no such project, run, metric or alias.
        MlpipesError: A stack is down, the version cannot be promoted, or the alias was moved by others.
    """
    registry_context.check_alias(request.alias)
    selection.check_metric(request.metric)
    target = address.find(to_project, base, project)
    sender = origin.choose(project, registry_context.connect(project), request)
    with address.own_secrets(target):
        receiver = _receiver(target, sender)
        lock = contextlib.nullcontext() if dry_run else one_at_a_time(target.state, reporter)
        with lock:
            challenge = _challenger(receiver, sender, request, reporter)
            decided = replace(
                within.decide(target, receiver.stack, challenge, request, reporter, sender),
                from_project=project.config.project,
                origin_version=sender.title,
                copied_run=challenge.copied_run,
            )
            if dry_run:
                outcome = "would promote" if decided.outcome == "promoted" else decided.outcome
                return replace(decided, outcome=outcome)
            if decided.outcome == "promoted":
                decided = _carried_out(receiver, sender, challenge, decided, request, reporter)
        if decided.outcome == "promoted":
            database_wiring.tell_alias_moved(receiver.stack.endpoints.database_url, decided.model)
        arrived = _event(receiver, sender, request.alias)
    if decided.outcome != "refused" and arrived is not None:
        _remember(sender, target, arrived)
    return decided


def _receiver(target: ProjectFolder, sender: Origin) -> _Receiver:
    from mlpipes_cli.adapters import wiring

    try:
        stack = registry_context.connect(target)
    except MlpipesError as error:
        raise MlpipesError(f"project {target.config.project!r}: {error.reason}", error.hint) from None
    if stack.endpoints.tracking_uri == sender.stack.endpoints.tracking_uri:
        raise MlpipesError(
            f"both projects use MLflow at {stack.endpoints.tracking_uri}", "promote to another alias there"
        )
    copies = wiring.make_run_copies(sender.stack.endpoints, stack.endpoints, model_key(target.root))
    return _Receiver(target, stack, copies)


def _challenger(
    receiver: _Receiver, sender: Origin, request: PromotionRequest, reporter: Reporter
) -> Challenger:
    """Return the version as the other project sees it: against the version that holds the alias there."""
    run, registry = sender.run, receiver.stack.registry
    metric = selection.pick_metric(sender.field, request.metric, receiver.project.config.promotion.metric)
    if not selection.has(run, metric):
        raise MlpipesError(selection.missing(run, metric), "choose another --metric")
    model = registry.model(sender.version.model)
    holder, lost = alias_holder(model, request.alias), None
    if holder is not None and not artifact_check.has_files(registry, holder):
        reporter.warn(f"{lost_files(holder, request.alias)}, so there is no incumbent")
        holder, lost = None, holder
    holder_origin = ""
    if holder is not None and (theirs := registry.run(holder.run_id)) is not None:
        holder_origin = theirs.tags.get(mlflow_tags.ORIGIN_RUN, "")
    copied = receiver.copies.find(run.run_id) or ""
    if gone := rolled_back_runs(model, request.alias).get(copied):
        told = f"{gone.told()} in project {receiver.project.config.project!r}"
        if request.run is None:
            raise Refused(f"not promoted: {told}", f"--run {run.run_id[:8]} promotes it again")
        reporter.warn(f"{told}; it is considered again because of --run")
    if holder_origin != run.run_id and (
        what := artifact_check.missing(sender.archive, run, compared=holder is not None)
    ):
        raise MlpipesError(f"the run {artifact_check.describe(run, what)}", artifact_check.TRAIN_AGAIN)
    return Challenger(
        sender.field, metric, run, model, holder, lost, copied_run=copied, holder_origin=holder_origin
    )


def _carried_out(
    receiver: _Receiver,
    sender: Origin,
    challenge: Challenger,
    decided: Verdict,
    request: PromotionRequest,
    reporter: Reporter,
) -> Verdict:
    copied = challenge.copied_run
    if not copied:
        name, number = sender.version.model, sender.version.version
        with (
            reporter.task(f"copying version {number} of {name} to project {receiver.project.config.project}"),
            project_vault.fetched(sender.vault, name, number) as folder,
        ):
            files = {mlflow_tags.ORIGIN: sender.document()}
            copied = receiver.copies.copy(sender.run.run_id, folder, sender.tags(), files)
    run = receiver.stack.registry.run(copied)
    if run is None:
        raise MlpipesError(
            f"the copied run {copied} was deleted during the promotion", "run the command again"
        )
    here = replace(challenge, run=run, copied_run=copied)
    done = within.carry_out(receiver.project, receiver.stack.registry, here, decided, request, sender)
    return replace(done, copied_run=copied)


def _event(receiver: _Receiver, sender: Origin, alias: str) -> history_events.HistoryEvent | None:
    """Return the last event of the other project's history by which this version got the alias."""
    model = receiver.stack.registry.model(sender.version.model)
    found = alias_moves.resolved_events(model) if model else []
    own = [one for one in found if one.origin_run == sender.run.run_id and one.alias == alias]
    return next((one for one in reversed(own) if one.state == "done"), None)


def _remember(sender: Origin, target: ProjectFolder, arrived: history_events.HistoryEvent) -> None:
    """Write into this project's history what the other one's says; the same id is written once."""
    entry = replace(
        arrived,
        kind="sent",
        state="done",
        model=sender.version.model,
        from_version=sender.version.version,
        run_id=sender.run.run_id,
        from_project="",
        origin_version="",
        origin_run="",
        to_project=target.config.project,
    )
    if entry.key not in sender.model.tags:
        sender.stack.registry.set_tag(entry.model, entry.key, entry.value())
