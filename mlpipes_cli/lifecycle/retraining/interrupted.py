"""Closes retrainings whose process was killed, so that their tries count and nothing is promoted twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from mlpipes_cli.lifecycle.promotion import alias_moves

if TYPE_CHECKING:
    from mlpipes_cli.ports import RegisteredModel, Reporter
    from mlpipes_cli.ports.retraining.store import Retraining, RetrainingStore

KILLED = "its process ended before it was done"


def close(
    store: RetrainingStore, history: Sequence[Retraining], model: RegisteredModel | None, reporter: Reporter
) -> bool:
    """Store how each retraining without an end has ended; return whether there was one.

    Only the process that has the turn may call this: then no retraining runs. Where the alias was moved
    before the process ended, it counts as promoted.
    """
    left = [retraining for retraining in history if retraining.ended_at is None]
    for retraining in left:
        promoted = None if model is None else promoted_by(model, retraining.id)
        if promoted is None:
            store.end(retraining.id, "killed", KILLED)
        else:
            store.end(
                retraining.id,
                "promoted",
                f"promoted version {promoted[0]}; {KILLED}",
                promoted[1],
                promoted[0],
            )
        outcome = "promoted nothing" if promoted is None else f"promoted version {promoted[0]}"
        reporter.warn(
            f"the retraining of {retraining.started_at:%Y-%m-%d %H:%M} UTC was killed; it {outcome}"
        )
    return bool(left)


def promoted_by(model: RegisteredModel, retraining: UUID) -> tuple[int, str] | None:
    """Return the version that a retraining promoted, and its run; None if it promoted none."""
    for event in alias_moves.resolved_events(model):
        if event.kind == "promote" and event.state == "done" and str(retraining) in event.reason:
            return event.to_version, event.run_id
    return None
