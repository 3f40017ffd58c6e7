"""Moves an alias so that the history stays correct, even if the process is interrupted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.lifecycle.promotion import history_events
from mlpipes_cli.lifecycle.promotion.history_events import HistoryEvent
from mlpipes_cli.ports import RegisteredModel, Registry


def move_alias(registry: Registry, entry: HistoryEvent) -> HistoryEvent:
    """Write the event ahead, move the alias if it still points where it did, and confirm.

    Args:
        registry: The registry.
        entry: The event; the decision was based on its ``from_version``.

    Returns:
        The event as done.

    Raises:
        MlpipesError: The alias was moved by others meanwhile (nothing was changed), or the server
            failed: then the intent stays and the next reader resolves it.
    """
    registry.set_tag(entry.model, entry.key, replace(entry, state="intent").value())
    model = registry.model(entry.model)
    found = model.aliases.get(entry.alias) if model else None
    if found != entry.from_version:
        registry.set_tag(entry.model, entry.key, replace(entry, state="unfinished").value())
        raise MlpipesError(
            f"{entry.alias} of {entry.model} was moved to version {found} by another client",
            "nothing was changed; run the command again",
        )
    registry.set_alias(entry.model, entry.alias, entry.to_version)
    done = replace(entry, state="done")
    registry.set_tag(entry.model, entry.key, done.value())
    return done


def resolved_events(model: RegisteredModel) -> list[HistoryEvent]:
    """Return the model's history, oldest first, with intents resolved; nothing is changed."""
    return history_events.resolve_states(history_events.read(model.name, model.tags), model.aliases)


def complete_moves(registry: Registry, model: RegisteredModel) -> Sequence[HistoryEvent]:
    """Resolve open intents as :func:`resolved_events` does, and record the result (hold the lock)."""
    entries = resolved_events(model)
    open_ones = {entry.id for entry in history_events.read(model.name, model.tags) if entry.state == "intent"}
    for entry in entries:
        if entry.id in open_ones:
            registry.set_tag(model.name, entry.key, entry.value())
    return entries
