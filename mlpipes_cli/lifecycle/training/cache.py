"""Finds runs that need not be trained again: same settings, code and versions on the same data."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence

from mlpipes_cli import mlflow_tags
from mlpipes_cli.lifecycle.training.plan import TrainingPlan
from mlpipes_cli.lifecycle.training.previous_sessions import is_whole
from mlpipes_cli.lifecycle.training.spec import Candidate
from mlpipes_cli.ports import Registry, RunRecord, Tracking

Lookup = Callable[[str], RunRecord | None]
_NEEDED = (mlflow_tags.HOLDOUT_PREDICTIONS, mlflow_tags.CLASSES)


def stored(registry: Registry, report: Callable[[str], None]) -> Callable[[RunRecord], bool]:
    """Return a check of whether a run's files are still stored; ``report`` receives those that are not."""

    def look(run: RunRecord) -> bool:
        there = set(_NEEDED) <= set(registry.artifacts(run.run_id))
        if there and registry.has_files(run.tags[mlflow_tags.MODEL_URI]):
            return True
        report(f"{run.name}: the run {run.run_id[:8]} is not reused, since some of its files no longer exist")
        return False

    return look


def find(
    runs: Sequence[RunRecord],
    plan: TrainingPlan,
    environments: Mapping[str, str],
    lookup: Lookup,
    key: str,
    there: Callable[[RunRecord], bool],
) -> dict[str, list[RunRecord]]:
    """Return the newest complete run of each candidate in the cache; all models of a comparison.

    Args:
        runs: All runs of the experiment, the newest first.
        environments: Hashes of the environments that are built, by candidate.
        lookup: Returns a run by its id.
        key: The id of the key that models are signed with; models of other keys could not be served.
        there: Whether the files of a complete run are still stored.
    """
    found = {}
    for candidate in plan.candidates:
        wanted = _wanted(candidate, plan, environments.get(candidate.name), key)
        same = [run for run in runs if all(run.tags.get(tag) == value for tag, value in wanted.items())]
        if taken := _newest_whole(same, lookup, there):
            found[candidate.name] = taken
    return found


def take(taken: Sequence[RunRecord], plan: TrainingPlan, session: str, tracking: Tracking) -> None:
    """Assign runs to this session, so that a leaderboard of it shows them."""
    tags = {
        mlflow_tags.SESSION: session,
        mlflow_tags.METRIC: plan.metric,
        mlflow_tags.MODEL_NAME: plan.experiment.config.model_name,
        mlflow_tags.TAKEN: str(int(time.time() * 1000)),
    }
    for run in taken:
        tracking.take(run.run_id, tags)


def _wanted(candidate: Candidate, plan: TrainingPlan, environment: str | None, key: str) -> dict[str, str]:
    """Return the tags of an equivalent run."""
    wanted = {
        mlflow_tags.MODEL_KEY: key,
        mlflow_tags.CANDIDATE: candidate.name,
        mlflow_tags.SPEC_HASH: candidate.hash,
        mlflow_tags.DATA_FINGERPRINT: plan.prepared.fingerprint,
        mlflow_tags.HOLDOUT_FINGERPRINT: plan.prepared.holdout_fingerprint,
    }
    if environment is not None:
        wanted[mlflow_tags.ENVIRONMENT] = environment
    return wanted


def _newest_whole(
    runs: Sequence[RunRecord], lookup: Lookup, there: Callable[[RunRecord], bool]
) -> list[RunRecord]:
    looked_at = set()
    for run in runs:
        above = run.tags.get(mlflow_tags.PARENT)
        if above is None:
            if is_whole(run) and there(run):
                return [run]
        elif above not in looked_at:
            looked_at.add(above)
            parts = {part.name: part for part in runs if part.tags.get(mlflow_tags.PARENT) == above}
            names = _parts(lookup(above))
            whole = names and all(name in parts and is_whole(parts[name]) for name in names)
            if whole and all(there(parts[name]) for name in names):
                return [parts[name] for name in names]
    return []


def _parts(parent: RunRecord | None) -> list[str]:
    """Return the names of the runs under a finished run that compared several models."""
    if parent is None or parent.status != "FINISHED":
        return []
    return [str(name) for name in json.loads(parent.tags.get(mlflow_tags.PARTS, "[]"))]
