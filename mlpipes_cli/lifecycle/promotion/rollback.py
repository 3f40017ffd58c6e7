"""``rollback``: moves the alias back to the version before."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mlpipes_cli import mlflow_tags
from mlpipes_cli.adapters import database_wiring
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.lifecycle.promotion import (
    actor,
    alias_moves,
    artifact_check,
    history_events,
    registry_context,
    version_tags,
)
from mlpipes_cli.lifecycle.promotion.promotion_lock import one_at_a_time
from mlpipes_cli.lifecycle.trust import project_vault
from mlpipes_cli.ports import RegisteredModel, Registry, Reporter
from mlpipes_cli.signing.vault import Untrusted, Vault

if TYPE_CHECKING:
    from mlpipes_cli.project import ProjectFolder


def rollback(
    project: ProjectFolder,
    reporter: Reporter,
    *,
    model: str | None = None,
    alias: str = "production",
    reason: str = "",
    expected: int | None = None,
) -> history_events.HistoryEvent:
    """Move the alias to the version that held it before the present one and still exists.

    Args:
        project: The project.
        reporter: Shows messages.
        model: The registered model; None for that of the settings.
        alias: The alias.
        reason: The reason for the history.
        expected: Only if the alias points to this version.

    Raises:
        UsageError: There is no such model, or the alias is invalid.
        MlpipesError: There is no version before, the stack is down, or the alias was moved by others.
    """
    registry_context.check_alias(alias)
    stack = registry_context.connect(project)
    with one_at_a_time(project.state, reporter):
        found = registry_context.find_model(project, stack.registry, model)
        if expected is not None and found.aliases.get(alias) != expected:
            raise MlpipesError(f"{alias} of {found.name} no longer points to version {expected}")
        done = undo(project, stack.registry, found, alias, reason, reporter.warn)
    database_wiring.tell_alias_moved(stack.endpoints.database_url, found.name)
    with contextlib.suppress(MlpipesError):  # the alias has moved, as requested
        _tell_untrusted(project_vault.of(project, stack.endpoints), done, reporter)
    return done


def _tell_untrusted(vault: Vault, done: history_events.HistoryEvent, reporter: Reporter) -> None:
    try:
        vault.want_claim(done.model, done.to_version)
    except Untrusted as error:
        reporter.warn(f"{error.reason}, so no API will load it; {error.hint}")


def undo(
    project: ProjectFolder,
    registry: Registry,
    model: RegisteredModel,
    alias: str,
    reason: str,
    warn: Callable[[str], None],
) -> history_events.HistoryEvent:
    """Roll back as :func:`rollback` does, for a model that was found, under the lock."""
    past = alias_moves.complete_moves(registry, model)
    current = model.aliases.get(alias)
    stack = history_events.holders(past, alias, current)
    if not stack:
        raise MlpipesError(f"{alias} of {model.name} has never pointed to a version", "promote a run first")
    existing = {version.version: version for version in model.versions}
    target = history_events.version_before(stack, current, existing)
    while target is not None and not artifact_check.has_files(registry, existing[target]):
        warn(f"version {target} is skipped: its files no longer exist")
        del existing[target]
        target = history_events.version_before(stack, current, existing)
    if target is None:
        raise MlpipesError(
            f"{model.name} has no version that held {alias} before version {current}",
            "see `mlpipes history`",
        )
    now, metric = datetime.now(UTC), version_tags.metric_of(existing[target])
    entry = history_events.HistoryEvent(
        id=history_events.new_id(now, past[-1].id if past else ""),
        kind="rollback",
        state="intent",
        model=model.name,
        alias=alias,
        from_version=current,
        to_version=target,
        when=now.isoformat(timespec="milliseconds"),
        who=actor.user(),
        git_user=actor.git_user(project.root),
        reason=reason,
        run_id=existing[target].run_id,
        candidate=existing[target].tags.get(mlflow_tags.CANDIDATE, ""),
        experiment=existing[target].tags.get(version_tags.TAG_EXPERIMENT, ""),
        metric=metric,
        challenger=version_tags.value_of(existing[target], metric),
        incumbent=version_tags.value_of(existing.get(current or 0), metric),
    )
    return alias_moves.move_alias(registry, entry)
