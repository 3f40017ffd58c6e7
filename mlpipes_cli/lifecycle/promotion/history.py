"""``history``: every move of an alias, from the commit that was trained to the first answered request."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mlpipes_cli import mlflow_tags
from mlpipes_cli.adapters import database_wiring
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.lifecycle.promotion import alias_moves, history_events, registry_context
from mlpipes_cli.lifecycle.promotion.history_events import HistoryEvent
from mlpipes_cli.ports.delivery.deployments import Arrival, Tenure

if TYPE_CHECKING:
    from mlpipes_cli.ports import ModelVersion, RegisteredModel, Registry, RunRecord
    from mlpipes_cli.project import ProjectFolder


@dataclass(frozen=True)
class HistoryRow(HistoryEvent):
    """An event with what came before and after it; times are UTC, ISO 8601, and empty where not known.

    Attributes:
        commit: The commit that was trained, with ``-dirty`` if there were changes.
        trained_at: When the training of the run began.
        image: The image that was pushed with the version inside, as ``NAME@DIGEST``.
        deployed_at: When a server had loaded the version for this alias.
        first_answer_at: When the first request was answered, by the prediction that was stored for it.
    """

    commit: str = ""
    trained_at: str = ""
    image: str = ""
    deployed_at: str = ""
    first_answer_at: str = ""


def history(project: ProjectFolder, *, model: str | None = None) -> list[HistoryRow]:
    """Return every promotion and rollback of the model, else of all models, the newest first.

    What only the project's database knows is left empty if it does not answer.

    Raises:
        UsageError: There is no such model.
        MlpipesError: The stack is not running.
    """
    stack = registry_context.connect(project)
    registry = stack.registry
    found = registry.models() if model is None else [registry_context.find_model(project, registry, model)]
    moves = [move for item in found for move in _moves(item)]
    arrived = _arrivals(stack.endpoints.database_url, [tenure for _, tenure in moves if tenure])
    runs = _runs(registry, {entry.run_id for entry, _ in moves})
    versions = {(item.name, one.version): one for item in found for one in item.versions}
    rows = [_row(entry, versions, runs, arrived.get(tenure) if tenure else None) for entry, tenure in moves]
    return sorted(rows, key=lambda row: row.id, reverse=True)


def _moves(model: RegisteredModel) -> list[tuple[HistoryEvent, Tenure | None]]:
    """Return the events, each with the time in which its version held the alias, if it did."""
    found: list[tuple[HistoryEvent, Tenure | None]] = []
    until: dict[str, datetime] = {}
    for entry in reversed(alias_moves.resolved_events(model)):
        tenure, since = None, _time(entry.when)
        if entry.state == "done" and since is not None:
            tenure = Tenure(model.name, entry.to_version, entry.alias, since, until.get(entry.alias))
            until[entry.alias] = since
        found.append((entry, tenure))
    return [
        *found,
        *((one, None) for one in history_events.read(model.name, model.tags, history_events.SENT)),
    ]


def _arrivals(database_url: str, tenures: Sequence[Tenure]) -> Mapping[Tenure, Arrival]:
    if tenures:
        with contextlib.suppress(MlpipesError):  # what the registry has is shown all the same
            told = database_wiring.make_deployments(database_url).arrivals(tenures)
            return dict(zip(tenures, told, strict=True))
    return {}


def _runs(registry: Registry, wanted: set[str]) -> Mapping[str, RunRecord]:
    return {run.run_id: run for run in registry.runs() if run.run_id in wanted} if wanted else {}


def _row(
    entry: HistoryEvent,
    versions: Mapping[tuple[str, int], ModelVersion],
    runs: Mapping[str, RunRecord],
    arrival: Arrival | None,
) -> HistoryRow:
    number = entry.from_version if entry.kind == "sent" else entry.to_version
    version, run = versions.get((entry.model, number or 0)), runs.get(entry.run_id)
    tags = {**(run.tags if run else {}), **(version.tags if version else {})}
    trained = datetime.fromtimestamp(run.trained / 1000, UTC) if run and run.trained else None
    return HistoryRow(
        **asdict(entry),
        commit=tags.get(mlflow_tags.GIT_COMMIT, ""),
        trained_at=_text(trained),
        image=tags.get(mlflow_tags.IMAGE, "") if entry.kind != "sent" else "",
        deployed_at=_text(arrival.loaded_at if arrival else None),
        first_answer_at=_text(arrival.first_answer_at if arrival else None),
    )


def _time(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def _text(time: datetime | None) -> str:
    return "" if time is None else time.astimezone(UTC).isoformat(timespec="milliseconds")
