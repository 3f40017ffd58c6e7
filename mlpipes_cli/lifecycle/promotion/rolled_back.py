"""Finds runs whose version was rolled back, so that they are not offered again without a warning."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mlpipes_cli.lifecycle.promotion import alias_moves
from mlpipes_cli.lifecycle.promotion.history_events import HistoryEvent
from mlpipes_cli.ports import RegisteredModel


@dataclass(frozen=True)
class RolledBackRun:
    """A run that held the alias and was rolled back.

    Attributes:
        run_id: The run.
        version: Its version.
        alias: The alias.
        when: UTC, ISO 8601.
        who: The actor of the rollback.
        reason: The actor's reason; may be empty.
    """

    run_id: str
    version: int
    alias: str
    when: str
    who: str
    reason: str

    def told(self) -> str:
        """Describe the rollback in a message."""
        why = f": {self.reason}" if self.reason else ", no reason given"
        when = self.when[:16].replace("T", " ")
        return f"version {self.version} was rolled back from {self.alias} on {when} UTC by {self.who}{why}"


def rolled_back_runs(model: RegisteredModel | None, alias: str) -> dict[str, RolledBackRun]:
    """Return, by run, those whose version's last move on the alias was a rollback away from it."""
    if model is None:
        return {}
    runs = {version.version: version.run_id for version in model.versions}
    found = _by_version(alias_moves.resolved_events(model), alias)
    return {
        runs[number]: RolledBackRun(runs[number], number, alias, entry.when, entry.who, entry.reason)
        for number, entry in found.items()
        if runs.get(number)
    }


def _by_version(entries: Iterable[HistoryEvent], alias: str) -> Mapping[int, HistoryEvent]:
    found: dict[int, HistoryEvent] = {}
    for entry in entries:
        if entry.alias != alias or entry.state != "done":
            continue
        if entry.kind == "rollback" and entry.from_version is not None:
            found[entry.from_version] = entry
        found.pop(entry.to_version, None)
    return found
