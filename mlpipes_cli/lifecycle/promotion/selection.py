"""Picks the run to promote and counts the runs it was picked from. Pure functions on runs."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from mlpipes_cli import metric_catalog, mlflow_tags
from mlpipes_cli.errors import MlpipesError, Refused, UsageError
from mlpipes_cli.lifecycle.promotion.registry_context import or_listed
from mlpipes_cli.metric_catalog import Task
from mlpipes_cli.ports import RunRecord

_SHORTEST_PREFIX = 4


@dataclass(frozen=True)
class SelectionPool:
    """All runs that were scored on one holdout and can be promoted.

    Attributes:
        experiment: Their experiment.
        task: Their task.
        holdout: The fingerprint of their holdout.
        runs: The newest first, at least one.
    """

    experiment: str
    task: Task
    holdout: str
    runs: tuple[RunRecord, ...]


def check_metric(metric: str | None) -> None:
    """Check that the metric exists.

    Raises:
        UsageError: It does not.
    """
    if metric is not None and metric not in metric_catalog.NAMES:
        raise UsageError(f"--metric: unknown metric {metric!r}", or_listed(metric, metric_catalog.NAMES))


def is_complete(run: RunRecord) -> bool:
    """Return whether everything of the run is stored, so that it can be promoted."""
    return run.status == "FINISHED" and all(
        run.tags.get(tag)
        for tag in (mlflow_tags.MODEL_URI, mlflow_tags.HOLDOUT_FINGERPRINT, mlflow_tags.TASK)
    )


def pick_experiment(runs: Sequence[RunRecord], wanted: str | None, run: str | None) -> tuple[str, list[str]]:
    """Return the experiment to promote from, and all that there are, the newest first.

    Args:
        runs: Of all experiments, the newest first.
        wanted: The user's choice, or None for that of the requested run, else the newest one.
        run: The requested run, an id or a candidate's name.

    Raises:
        UsageError: There is no such experiment.
        MlpipesError: There is no run at all.
    """
    names = list(dict.fromkeys(item.experiment for item in runs))
    if not names:
        raise MlpipesError("there are no runs yet", "train with `mlpipes train experiment.yaml`")
    if wanted is None:
        meant = [] if run is None else _matching(runs, run)
        return (meant[0].experiment if meant else names[0]), names
    if wanted not in names:
        raise UsageError(f"--experiment: there is no experiment {wanted!r}", or_listed(wanted, names))
    return wanted, names


def _matching(runs: Sequence[RunRecord], word: str) -> list[RunRecord]:
    """Return the runs of that id (or the start of one), else of that candidate's name."""
    by_id = [run for run in runs if len(word) >= _SHORTEST_PREFIX and run.run_id.startswith(word)]
    return by_id or [run for run in runs if run.name == word]


def find_run(runs: Sequence[RunRecord], word: str) -> RunRecord:
    """Return the run that the user means: an id, the unique start of one, or a candidate's newest run.

    Args:
        runs: Of one experiment, the newest first.
        word: The user's word.

    Raises:
        UsageError: No run matches, or several.
        MlpipesError: It is not finished.
    """
    named = [run for run in runs if run.name == word]
    finished = [run for run in named if is_complete(run)]
    by_id = _matching(runs, word) if not named else []
    if len(by_id) > 1:
        raise UsageError(f"--run: {len(by_id)} runs start with {word!r}", "give more characters of the id")
    found = (finished or named or by_id)[:1]
    if not found:
        names = sorted({run.name for run in runs})
        raise UsageError(f"--run: the experiment has no run {word!r}", or_listed(word, names))
    if not is_complete(found[0]):
        why = found[0].tags.get(mlflow_tags.ERROR) or found[0].status
        raise MlpipesError(f"the run {word!r} did not finish ({why})", "train it again")
    return found[0]


def selection_pool(
    runs: Sequence[RunRecord], run: RunRecord | None, holdout: str | None = None
) -> SelectionPool:
    """Return the runs on the given run's holdout, else on the newest one.

    Args:
        runs: Of one experiment, the newest first.
        run: One of them, or None.
        holdout: Only runs on the holdout of this fingerprint.

    Raises:
        MlpipesError: No run is finished.
    """
    tag = mlflow_tags.HOLDOUT_FINGERPRINT
    complete = [item for item in runs if is_complete(item) and holdout in {None, item.tags[tag]}]
    if not complete:
        raise MlpipesError(
            f"the experiment {runs[0].experiment!r} has no finished run", "train with `mlpipes train`"
        )
    lead = run or complete[0]
    same = (mlflow_tags.HOLDOUT_FINGERPRINT, mlflow_tags.TASK)
    on_it = [item for item in complete if all(item.tags[tag] == lead.tags[tag] for tag in same)]
    task: Task = lead.tags[mlflow_tags.TASK]  # type: ignore[assignment]
    return SelectionPool(lead.experiment, task, lead.tags[mlflow_tags.HOLDOUT_FINGERPRINT], tuple(on_it))


def pick_metric(field: SelectionPool, asked: str | None, configured: str | None) -> str:
    """Return the metric that decides: the flag, else ``promotion.metric``, else the experiment file's.

    Raises:
        UsageError: It does not fit the kind of target.
    """
    metric = asked or configured or field.runs[0].tags.get(mlflow_tags.METRIC, "")
    metric = metric or metric_catalog.DEFAULT[field.task]
    if metric_catalog.find(field.task, metric) is None:
        names = ", ".join(item.name for item in metric_catalog.BY_TASK[field.task])
        where = "--metric" if asked else "mlpipes.yaml: promotion -> metric" if configured else "metric"
        raise UsageError(
            f"{where}: {metric!r} does not apply to a {field.task} target", f"use one of {names}"
        )
    return metric


def has(run: RunRecord, metric: str) -> bool:
    """Return whether the run has a value of the metric."""
    return math.isfinite(run.metrics.get(metric, math.nan))


def missing(run: RunRecord, metric: str) -> str:
    """Return why a run does not have the metric."""
    known = [name for name in metric_catalog.NAMES if name in run.metrics]
    return f"{run.name} has no {metric}: {metric_catalog.why_missing(metric, known)}"


def best(
    field: SelectionPool, metric: str, holder_run: str | None = None, without: Collection[str] = ()
) -> RunRecord:
    """Return the best run; among equal ones the present holder of the alias, else the newest.

    Args:
        field: The runs to pick from.
        metric: The metric that decides.
        holder_run: The run of the version that holds the alias.
        without: Runs that are passed over.

    Raises:
        MlpipesError: No run has the metric.
        Refused: All that have it are passed over.
    """
    having = [run for run in field.runs if has(run, metric)]
    if not having:
        why = metric_catalog.why_missing(metric, [*field.runs[0].metrics])
        raise MlpipesError(
            f"no run of {field.experiment!r} has the metric {metric!r}: {why}", "choose another --metric"
        )
    runs = [run for run in having if run.run_id not in without]
    if not runs:
        raise Refused(
            f"every run of {field.experiment!r} that has {metric!r} was rolled back",
            "train again, or name the run with --run",
        )
    sign = 1.0 if metric_catalog.higher_is_better(metric) else -1.0
    return max(runs, key=lambda run: (sign * run.metrics[metric], run.run_id == holder_run, run.started))
