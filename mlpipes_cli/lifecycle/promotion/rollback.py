"""``rollback``: the alias goes back to the version before."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mlpipes_cli import run_schema
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.lifecycle.promotion import access, events, moves, standing, versions, who
from mlpipes_cli.lifecycle.promotion.lock import one_at_a_time
from mlpipes_cli.lifecycle.trust import vaults
from mlpipes_cli.ports import RegisteredModel, Registry, Reporter
from mlpipes_cli.signing.vault import Untrusted, Vault

if TYPE_CHECKING:
    from mlpipes_cli.project import Project


def rollback(
    project: Project,
    reporter: Reporter,
    *,
    model: str | None = None,
    alias: str = "production",
    reason: str = "",
) -> events.Entry:
    """Point the alias to the version that held it before the present one and still exists.

    Raises:
        UsageError: There is no such model, or the alias is no alias.
        MlpipesError: There is no version before, the stack is down, or somebody interfered.
    """
    access.check_alias(alias)
    stack = access.connect(project)
    with one_at_a_time(project.state, reporter):
        found = access.find_model(project, stack.registry, model)
        done = undo(project, stack.registry, found, alias, reason, reporter.warn)
    with contextlib.suppress(MlpipesError):  # the alias has moved, and that is what was asked for
        _tell_untrusted(vaults.of(project, stack.endpoints), done, reporter)
    return done


def _tell_untrusted(vault: Vault, done: events.Entry, reporter: Reporter) -> None:
    try:
        vault.want_claim(done.model, done.to_version)
    except Untrusted as error:
        reporter.warn(f"{error.reason}, so no API will load it; {error.hint}")


def undo(
    project: Project,
    registry: Registry,
    model: RegisteredModel,
    alias: str,
    reason: str,
    warn: Callable[[str], None],
) -> events.Entry:
    """As :func:`rollback`, of a model that was found, under the lock."""
    past = moves.settle(registry, model)
    current = model.aliases.get(alias)
    stack = events.holders(past, alias, current)
    if not stack:
        raise MlpipesError(f"{alias} of {model.name} has never pointed to a version", "promote a run first")
    existing = {version.version: version for version in model.versions}
    target = events.version_before(stack, current, existing)
    while target is not None and not standing.has_files(registry, existing[target]):
        warn(f"version {target} is skipped: its files no longer exist")
        del existing[target]
        target = events.version_before(stack, current, existing)
    if target is None:
        raise MlpipesError(
            f"{model.name} has no version that held {alias} before version {current}",
            "see `mlpipes history`",
        )
    now, metric = datetime.now(UTC), versions.metric_of(existing[target])
    entry = events.Entry(
        id=events.new_id(now, past[-1].id if past else ""),
        kind="rollback",
        state="intent",
        model=model.name,
        alias=alias,
        from_version=current,
        to_version=target,
        when=now.isoformat(timespec="milliseconds"),
        who=who.user(),
        git_user=who.git_user(project.root),
        reason=reason,
        run_id=existing[target].run_id,
        candidate=existing[target].tags.get(run_schema.CANDIDATE, ""),
        experiment=existing[target].tags.get(versions.TAG_EXPERIMENT, ""),
        metric=metric,
        challenger=versions.value_of(existing[target], metric),
        incumbent=versions.value_of(existing.get(current or 0), metric),
    )
    return moves.move_alias(registry, entry)
