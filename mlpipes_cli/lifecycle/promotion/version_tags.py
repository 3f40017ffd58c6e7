"""Tags and description of a registered version, for MLflow's pages and for ``models``."""

from __future__ import annotations

from collections.abc import Mapping

from mlpipes_cli import metric_catalog, mlflow_tags
from mlpipes_cli.metric_catalog import Task
from mlpipes_cli.ports import ModelVersion, RunRecord

TAG_EXPERIMENT = "mlpipes.experiment"
_KEPT = (
    mlflow_tags.CANDIDATE,
    mlflow_tags.TASK,
    mlflow_tags.DATA_FINGERPRINT,
    mlflow_tags.DATASET,
    mlflow_tags.HOLDOUT_FINGERPRINT,
    mlflow_tags.TRAINER,
    mlflow_tags.GIT_COMMIT,
    mlflow_tags.ORIGIN_PROJECT,
    mlflow_tags.ORIGIN_VERSION,
    mlflow_tags.ORIGIN_RUN,
    mlflow_tags.RETRAINING,
    mlflow_tags.RETRAINING_CAUSE,
    mlflow_tags.RETRAINING_CHECK,
)


def tags_of(run: RunRecord, task: Task, metric: str) -> dict[str, str]:
    """Return the tags of a new version: its origin and its holdout metrics."""
    tags = {tag: run.tags[tag] for tag in _KEPT if run.tags.get(tag)}
    for name in (*(known.name for known in metric_catalog.BY_TASK[task]), mlflow_tags.THRESHOLD):
        if name in run.metrics:
            tags[_value_tag(name)] = repr(run.metrics[name])
    return tags | {TAG_EXPERIMENT: run.experiment, mlflow_tags.METRIC: metric}


def description(run: RunRecord, metric: str, candidates: int) -> str:
    """Return a sentence about a new version."""
    value = run.metrics.get(metric, float("nan"))
    holdout = run.tags[mlflow_tags.HOLDOUT_FINGERPRINT][:12]
    return (
        f"{run.name} of the experiment {run.experiment}: {metric} {value:.4f} on the holdout {holdout}, "
        f"selected from {candidates} candidate{'s' if candidates != 1 else ''}."
    )


def metric_of(version: ModelVersion) -> str:
    """Return the metric that it was promoted by; empty for a version made by other means."""
    return version.tags.get(mlflow_tags.METRIC, "")


def value_of(version: ModelVersion | None, metric: str) -> float | None:
    """Return the version's holdout metric, or None if it is not known."""
    return None if version is None else value_in(version.tags, metric)


def value_in(tags: Mapping[str, str], metric: str) -> float | None:
    """Return the holdout metric in a version's tags, or None if it is not known."""
    text = tags.get(_value_tag(metric))
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _value_tag(metric: str) -> str:
    return f"mlpipes.metric.{metric}"
