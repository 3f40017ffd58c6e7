"""``mlpipes predictions prune``: removes old predictions and their ground truth."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mlpipes_cli.errors import UsageError
from mlpipes_cli.lifecycle import times
from mlpipes_cli.lifecycle.records import log_context
from mlpipes_cli.lifecycle.transfer.transfer_context import agreed

if TYPE_CHECKING:
    from mlpipes_cli.ports import Reporter
    from mlpipes_cli.project import ProjectFolder


@dataclass(frozen=True)
class PrunedPredictions:
    """The predictions that were removed, or would be.

    Attributes:
        before: Predictions made before this moment; UTC, ISO 8601.
        model: The model if only its predictions are removed, or None.
        predictions: How many predictions.
        truths: How many of them had a ground truth.
        months: Months that were dropped as a whole.
        dry_run: Whether nothing was removed.
    """

    before: str
    model: str | None
    predictions: int
    truths: int
    months: tuple[str, ...]
    dry_run: bool

    @property
    def summary(self) -> str:
        """The result as a message."""
        verb = "would be removed" if self.dry_run else "removed"
        whole = f", of which whole months: {', '.join(self.months)}" if self.months else ""
        which = f" of model {self.model!r}" if self.model else ""
        truths = f", with the ground truth of {self.truths}" if self.truths else ""
        return f"{verb}: {self.predictions} predictions{which} made before {self.before}{whole}{truths}"


def prune(
    project: ProjectFolder,
    reporter: Reporter,
    older_than: str,
    *,
    model: str | None = None,
    yes: bool = False,
    dry_run: bool = False,
) -> PrunedPredictions:
    """Remove old predictions.

    Args:
        project: The project.
        reporter: Asks for confirmation, and shows progress.
        older_than: ``90d``, or a time.
        model: Remove only this model's.
        yes: Do not ask for confirmation.
        dry_run: Only count.

    Raises:
        UsageError: The time lies in the future, or there is no terminal to ask on.
        MlpipesError: The stack is not running, the user declined, or the table is in use.
    """
    before = times.seconds(older_than, "--older-than")
    if before > time.time():
        raise UsageError("--older-than: the time is in the future", "use 90d, or a date in the past")
    log = log_context.connect(project)
    if model is not None:
        log.check_model(model)
    found = log.records.prunable(before, model)
    moment = datetime.fromtimestamp(before, UTC).isoformat(timespec="seconds")
    planned = PrunedPredictions(
        moment, model, found.predictions, found.truths, found.partitions, dry_run=True
    )
    if dry_run or not found.predictions:
        return planned if dry_run else PrunedPredictions(moment, model, 0, 0, (), dry_run=False)
    why = f"this permanently removes {found.predictions} predictions"
    which = f" of model {model!r}" if model else ""
    question = f"remove {found.predictions} predictions{which} made before {moment} permanently?"
    agreed(reporter, question, yes=yes, flag="--yes, or --dry-run to look first", why=why)
    with reporter.task("pruning", found.predictions) as task:
        gone = log.records.prune(before, model, task.advance)
    return PrunedPredictions(moment, model, gone.predictions, gone.truths, gone.partitions, dry_run=False)
