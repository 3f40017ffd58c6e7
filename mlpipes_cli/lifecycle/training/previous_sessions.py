"""Finds the runs of earlier sessions on the tracking server, for ``--resume`` and the leaderboard."""

from __future__ import annotations

from collections.abc import Sequence

from mlpipes_cli import mlflow_tags
from mlpipes_cli.ports import RunRecord


def last_session(runs: Sequence[RunRecord]) -> list[RunRecord]:
    """Return the runs of the session that started a run last, the newest first."""
    session = next((run.tags.get(mlflow_tags.SESSION) for run in runs), None)
    return [run for run in runs if run.tags.get(mlflow_tags.SESSION) == session] if session else []


def newest_each(runs: Sequence[RunRecord]) -> list[RunRecord]:
    """Return the newest complete run of each candidate, else its newest run."""
    found: dict[str, RunRecord] = {}
    for run in sorted(runs, key=lambda run: (not is_whole(run), -run.started)):
        found.setdefault(run.name, run)
    return list(found.values())


def is_whole(run: RunRecord) -> bool:
    """Return whether everything of the run was stored."""
    return run.status == "FINISHED" and mlflow_tags.MODEL_URI in run.tags
