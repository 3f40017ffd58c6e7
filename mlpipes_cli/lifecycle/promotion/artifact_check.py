"""Finds runs and versions whose files are missing: an object store may have lost what the database names."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from mlpipes_cli import mlflow_tags
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.lifecycle.promotion import selection
from mlpipes_cli.lifecycle.promotion.holdout_archive import HoldoutArchive
from mlpipes_cli.lifecycle.promotion.selection import SelectionPool
from mlpipes_cli.ports import ModelVersion, Registry, RunRecord

SILENT = f"its {mlflow_tags.HOLDOUT_PREDICTIONS} is missing or unreadable"
TRAIN_AGAIN = "train it again: `mlpipes train FILE --force`"


def has_files(registry: Registry, version: ModelVersion) -> bool:
    """Return whether a version can be loaded."""
    return registry.has_files(f"models:/{version.model}/{version.version}")


def missing(archive: HoldoutArchive, run: RunRecord, *, compared: bool) -> str:
    """Return what a run lacks to be promoted, as a phrase; empty if nothing.

    Args:
        archive: The runs' artifacts.
        run: The run.
        compared: Whether a version holds the alias, so that the run's predictions are needed.
    """
    if not archive.registry.has_files(run.tags[mlflow_tags.MODEL_URI]):
        return "the files of its model no longer exist"
    return SILENT if compared and archive.all_predictions([run]) == [None] else ""


def describe(run: RunRecord, what: str) -> str:
    """Describe a run with what it lacks."""
    return f"{run.name} ({run.run_id[:8]}): {what}"


def best(
    field: SelectionPool,
    metric: str,
    holder: ModelVersion | None,
    archive: HoldoutArchive,
    warn: Callable[[str], None],
    without: Collection[str] = (),
) -> tuple[RunRecord, list[str]]:
    """Return the best run that has all its files, and the better ones that have not.

    Args:
        field: The runs to pick from.
        metric: The metric that decides.
        holder: The version that holds the alias, or None.
        archive: The runs' artifacts.
        warn: Receives a warning about those that are skipped.
        without: Runs that are passed over.

    Raises:
        MlpipesError: No run has the metric, or none has its files.
        Refused: All that have it are passed over.
    """
    left: list[str] = []
    while True:
        run = selection.best(field, metric, holder.run_id if holder else None, without)
        what = missing(archive, run, compared=holder is not None)
        if not what:
            break
        left.append(describe(run, what))
        field = replace(field, runs=tuple(one for one in field.runs if one is not run))
        if not any(metric in one.metrics for one in field.runs):
            raise MlpipesError(
                f"no run of {field.experiment!r} can be promoted: {'; '.join(left)}", TRAIN_AGAIN
            )
    warn_missing(left, warn)
    return run, left


def warn_missing(left: Sequence[str], warn: Callable[[str], None]) -> None:
    """Warn about the runs that are skipped."""
    for one in left:
        warn(f"skipped: {one}")
