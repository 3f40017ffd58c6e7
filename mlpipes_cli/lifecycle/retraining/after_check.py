"""After a check of ``mlpipes watch``, with ``monitoring: retrain``: watches the promotion, trains again."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlpipes_cli.errors import Interrupted, MlpipesError
from mlpipes_cli.lifecycle.promotion import registry_context

if TYPE_CHECKING:
    from mlpipes_cli.lifecycle.monitoring.result import Monitored
    from mlpipes_cli.lifecycle.retraining.result import Retrained
    from mlpipes_cli.ports import CandidateState, Reporter
    from mlpipes_cli.project import ProjectFolder


class _Unseen:
    """Progress that is not shown: the watcher's log has one line for each event."""

    def show(self, candidates: Sequence[CandidateState], metric: str) -> None:
        """Show nothing."""


class AfterCheck:
    """Acts once after each stored check, also after one of another process, or of one that was killed."""

    def __init__(self) -> None:
        self._seen: str | None = None

    def __call__(self, project: ProjectFolder, reporter: Reporter, check: Monitored | None) -> None:
        """Take the alias back if the promoted version does worse; else train again if there is a cause.

        Raises:
            MlpipesError: It failed; it is tried again after the next check.
        """
        settings = project.config.monitoring.retrain
        if settings is None:
            return
        newest = check.id if check is not None else _newest(project)
        if newest is None or newest == self._seen:
            return
        self._seen = newest
        from mlpipes_cli.lifecycle.retraining import retrain, succession

        if settings.rollback_if is not None and succession.watch(project, reporter) is not None:
            return
        if not settings.conditions:
            return
        if not (project.root / settings.experiment).is_file():  # such as in the watcher's container
            raise MlpipesError(f"{settings.experiment} is not here, so nothing is trained again")
        request = retrain.RetrainRequest(conditions=settings.conditions, look_back=False)
        try:
            _report(retrain.retrain(project, request, reporter, _Unseen()), reporter)
        except Interrupted:
            sys.exit(0)  # the watcher was told to stop while it trained


def _newest(project: ProjectFolder) -> str | None:
    """Return the id of the newest stored check of the alias of ``serving``."""
    from mlpipes_cli.adapters import database_wiring

    database_url = registry_context.connect(project).endpoints.database_url
    store, _ = database_wiring.make_monitoring(database_url)
    alias = project.config.serving.alias
    for check in store.checks(project.config.serving.model, limit=100):
        if check.alias == alias:
            return str(check.id)
    return None


def _report(found: Retrained, reporter: Reporter) -> None:
    if found.outcome != "nothing":
        reporter.info(f"retrain: {found.why}")


hook = AfterCheck()
