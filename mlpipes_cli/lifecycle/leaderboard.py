"""``leaderboard``: the candidates of an experiment that were scored on the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlpipes_cli import metric_catalog, mlflow_tags
from mlpipes_cli.errors import UsageError
from mlpipes_cli.lifecycle.training import previous_sessions
from mlpipes_cli.lifecycle.training.recording.report import (
    DOCUMENTED,
    CandidateResult,
    from_record,
    ranked,
    value_of,
)
from mlpipes_cli.suggest import did_you_mean

if TYPE_CHECKING:
    from mlpipes_cli.metric_catalog import Task
    from mlpipes_cli.ports import Registry, RunRecord
    from mlpipes_cli.project import ProjectFolder


@dataclass(frozen=True)
class LeaderboardEntry:
    """A line of the leaderboard.

    Attributes:
        result: The run.
        aliases: The aliases that its registered version holds.
        version: Its version in the registry, or None.
    """

    result: CandidateResult
    aliases: tuple[str, ...]
    version: int | None


@dataclass(frozen=True)
class OtherHoldout:
    """A holdout that other runs of the experiment were scored on.

    Attributes:
        fingerprint: The fingerprint of the rows.
        runs: How many runs were scored on them.
    """

    fingerprint: str
    runs: int


@dataclass(frozen=True)
class Board:
    """A leaderboard, the best candidate first.

    Attributes:
        experiment: Its name.
        model: The registered model's name.
        metric: The metric that sorts them.
        task: The kind of target.
        holdout: The fingerprint of the rows that all were scored on.
        entries: One for each candidate, its newest run.
        others: The other holdouts that runs of the experiment were scored on, the newest first.
        few_rows: A warning about a holdout of a handful of rows; an empty text otherwise.
        strangers: Runs of the experiment that are tagged as candidates but do not name their holdout, so that
            `mlpipes train` did not make them.
    """

    experiment: str
    model: str
    metric: str
    task: Task
    holdout: str
    entries: tuple[LeaderboardEntry, ...]
    others: tuple[OtherHoldout, ...] = ()
    few_rows: str = ""
    strangers: int = 0

    @property
    def best(self) -> str | None:
        """The name of the best run."""
        first = self.entries[0].result if self.entries else None
        return (
            first.name if first and value_of(first.metrics, first.status, self.metric) is not None else None
        )

    def document(self) -> dict[str, Any]:
        """Return the JSON document of ``leaderboard --json``."""
        return {
            "experiment": self.experiment,
            "model": self.model,
            "metric": self.metric,
            "holdout_fingerprint": self.holdout,
            "runs": [
                {name: getattr(entry.result, name) for name in DOCUMENTED}
                | {"version": entry.version, "aliases": list(entry.aliases)}
                for entry in self.entries
            ],
            "best": self.best,
            "other_holdouts": [
                {"holdout_fingerprint": other.fingerprint, "runs": other.runs} for other in self.others
            ],
            "other_runs": self.strangers,
        }


def leaderboard(
    project: ProjectFolder,
    *,
    experiment: str | None = None,
    metric: str | None = None,
    holdout: str | None = None,
) -> Board:
    """Compare the candidates that share a holdout.

    Args:
        project: The project whose stack is queried.
        experiment: A name or an experiment file; if omitted, the project's own, else the newest.
        metric: The metric to sort by; the one that decides a promotion if omitted.
        holdout: The start of its fingerprint; the newest run's if omitted.

    Raises:
        UsageError: There is no such experiment or holdout, it has no runs, or the metric does not fit its
            target.
        MlpipesError: The stack is not running.
    """
    from mlpipes_cli.adapters.wiring import make_registry, make_runtime

    if metric is not None and metric not in metric_catalog.NAMES:
        suggestion = did_you_mean(metric, metric_catalog.NAMES).removeprefix("; ")
        raise UsageError(
            f"--metric: unknown metric {metric!r}", suggestion or "see docs/explanation/metrics.md"
        )
    registry = make_registry(make_runtime(project).endpoints())
    runs, strangers = _runs(registry, project, experiment)
    holdouts = _holdouts(runs)
    chosen = _chosen(holdouts, holdout)
    same = holdouts[chosen]
    newest = same[0]
    metric = _metric(newest, metric)
    model = newest.tags.get(mlflow_tags.MODEL_NAME, newest.experiment)
    results = [from_record(run, cached=False) for run in previous_sessions.newest_each(same)]
    held = registered(registry, model)
    entries = [
        LeaderboardEntry(result, *held.get(result.run_id or "", ((), None)))
        for result in ranked(results, metric)
    ]
    task: Task = newest.tags.get(mlflow_tags.TASK, "binary")  # type: ignore[assignment]
    rows = newest.tags.get(mlflow_tags.TELLING_ROWS, "")
    return Board(
        experiment=newest.experiment,
        model=model,
        metric=metric,
        task=task,
        holdout=chosen,
        entries=tuple(entries),
        others=tuple(OtherHoldout(which, len(on_it)) for which, on_it in holdouts.items() if which != chosen),
        few_rows=metric_catalog.few_rows(task, metric, int(rows)) if rows.isdigit() else "",
        strangers=strangers,
    )


def _holdouts(runs: Sequence[RunRecord]) -> dict[str, list[RunRecord]]:
    """Group the runs by the fingerprint of their holdout, the newest first."""
    found: dict[str, list[RunRecord]] = {}
    for run in runs:
        found.setdefault(run.tags[mlflow_tags.HOLDOUT_FINGERPRINT], []).append(run)
    return found


def _chosen(holdouts: Mapping[str, object], asked: str | None) -> str:
    if asked is None:
        return next(iter(holdouts))
    meant = [fingerprint for fingerprint in holdouts if fingerprint.startswith(asked)]
    if len(meant) != 1 or not asked:
        known = ", ".join(fingerprint[:12] for fingerprint in holdouts)
        raise UsageError(
            f"--holdout: {asked!r} matches {len(meant)} holdouts of the experiment", f"use one of {known}"
        )
    return meant[0]


def is_ours(run: RunRecord) -> bool:
    """Return whether `mlpipes train` made the run: it names its holdout and its task."""
    tags = run.tags
    return (
        bool(tags.get(mlflow_tags.HOLDOUT_FINGERPRINT))
        and tags.get(mlflow_tags.TASK) in metric_catalog.BY_TASK
    )


def _runs(registry: Registry, project: ProjectFolder, asked: str | None) -> tuple[Sequence[RunRecord], int]:
    """Return the runs of an experiment, the newest first, and how many others there are."""
    name = _name(project, asked)
    found = registry.runs([name] if name else None)
    runs = [run for run in found if is_ours(run)]
    if runs:
        same = [run for run in found if run.experiment == runs[0].experiment]
        ours = [run for run in same if is_ours(run)]
        return ours, len(same) - len(ours)
    if name is None:
        raise UsageError("there are no runs yet", "train with `mlpipes train experiment.yaml`")
    known = registry.experiments()
    suggestion = did_you_mean(name, known).removeprefix("; ")
    raise UsageError(f"the experiment {name!r} has no runs", suggestion or "train it with `mlpipes train`")


def _name(project: ProjectFolder, asked: str | None) -> str | None:
    """Return the experiment's name, from its file if a file was named or the project has one."""
    from pathlib import Path

    from mlpipes_cli.config.experiment import load_experiment

    if asked is not None:
        if asked.endswith((".yaml", ".yml")):
            return load_experiment(Path(asked), project.shown(Path(asked)))[0].experiment
        return asked
    own = project.root / "experiment.yaml"
    return load_experiment(own, project.shown(own))[0].experiment if own.is_file() else None


def _metric(run: RunRecord, asked: str | None) -> str:
    task: Task = run.tags.get(mlflow_tags.TASK, "binary")  # type: ignore[assignment]
    known = [metric.name for metric in metric_catalog.BY_TASK[task]]
    if asked is None:
        return run.tags.get(mlflow_tags.METRIC, metric_catalog.DEFAULT[task])
    if asked not in known:
        suggestion = did_you_mean(asked, known).removeprefix("; ")
        raise UsageError(
            f"--metric: {asked!r} does not apply to a {task} target",
            suggestion or f"use one of {', '.join(known)}",
        )
    return asked


def registered(registry: Registry, model: str) -> dict[str, tuple[tuple[str, ...], int | None]]:
    """Return the aliases and the version of each run of the model that is in the registry."""
    found = registry.model(model)
    held: dict[str, tuple[tuple[str, ...], int | None]] = {}
    for version in reversed(found.versions if found else ()):  # the newest last, so that it is kept
        aliases = held.get(version.run_id, ((), None))[0]
        held[version.run_id] = (tuple(sorted({*aliases, *version.aliases})), version.version)
    return held
