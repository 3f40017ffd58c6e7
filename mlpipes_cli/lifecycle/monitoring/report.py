"""Writes the report of a check as one HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli import output_files
from mlpipes_cli.json_values import jsonable
from mlpipes_cli.lifecycle.promotion import history_events

if TYPE_CHECKING:
    from mlpipes_cli.lifecycle.monitoring.result import Monitored
    from mlpipes_cli.ports import Registry
    from mlpipes_cli.ports.monitoring import CheckStore
    from mlpipes_cli.ports.retraining.store import RetrainingStore

_EARLIER = 100  # checks that the page shows over time


@dataclass(frozen=True)
class Report:
    """The file of a report.

    Attributes:
        output: The file, which is replaced if it is such a report.
        force: Replace any regular file.

    Raises:
        UsageError: It is another file, or its folder does not exist.
    """

    output: Path
    force: bool = False

    def __post_init__(self) -> None:
        from mlpipes_cli.html_page.document import mark
        from mlpipes_cli.monitoring.report.page import COMMAND

        output_files.check(self.output, mark(COMMAND), f"a page of `{COMMAND}`", force=self.force)

    def write(
        self,
        made: Monitored,
        previous: Sequence[Mapping[str, Any]] = (),
        promotions: Sequence[Mapping[str, Any]] = (),
        retrainings: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Write the page.

        Args:
            made: The check.
            earlier: What earlier checks of the model printed.
            promotions: When which version took an alias: ``at``, ``version`` and ``alias``.
            retrainings: When the model was trained again: ``at``, ``cause`` and ``outcome``.

        Raises:
            MlpipesError: The file cannot be written.
        """
        from mlpipes_cli.monitoring.report.page import page

        document = page(jsonable(made), previous=previous, promotions=promotions, retrainings=retrainings)
        output_files.write(self.output, document)


def previous_checks(store: CheckStore, made: Monitored) -> list[Mapping[str, Any]]:
    """Return what earlier checks of the model printed."""
    found = store.checks(made.model, limit=_EARLIER)
    return [check.result for check in found if str(check.id) != made.id]


def retrainings(store: RetrainingStore, model: str) -> list[dict[str, Any]]:
    """Return when a model was trained again, and what came of it."""
    return [
        {"at": retraining.started_at.isoformat(), "cause": retraining.cause, "outcome": retraining.outcome}
        for retraining in store.retrainings(model, _EARLIER)
    ]


def promotions(registry: Registry, model: str) -> list[dict[str, Any]]:
    """Return when which version of a model took an alias."""
    found = registry.model(model)
    if found is None:
        return []
    events = history_events.resolve_states(history_events.read(model, found.tags), found.aliases)
    return [
        {"at": event.when, "version": event.to_version, "alias": event.alias}
        for event in events
        if event.state == "done"
    ]
