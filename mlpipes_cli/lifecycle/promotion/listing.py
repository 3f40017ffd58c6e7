"""``models``: lists the registered versions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mlpipes_cli import mlflow_tags
from mlpipes_cli.lifecycle.promotion import registry_context, version_tags
from mlpipes_cli.ports import ModelVersion

if TYPE_CHECKING:
    from mlpipes_cli.project import ProjectFolder


@dataclass(frozen=True)
class ModelRow:
    """A version of a registered model.

    Attributes:
        model: Its name.
        version: Its number, from 1.
        aliases: The aliases that point to it.
        metric: The metric that it was promoted by; empty if it was made by other means.
        value: That metric on its holdout, or None.
        threshold: The threshold of the positive class's score, if the labels come from it.
        candidate: The run's name in its experiment.
        experiment: Its experiment.
        run_id: Its run.
        created: UTC, ISO 8601.
    """

    model: str
    version: int
    aliases: tuple[str, ...]
    metric: str
    value: float | None
    threshold: float | None
    candidate: str
    experiment: str
    run_id: str
    created: str


def models(project: ProjectFolder) -> list[ModelRow]:
    """Return all versions of all registered models: by name, the newest first.

    Raises:
        MlpipesError: The stack is not running.
    """
    registry = registry_context.connect(project).registry
    return [_row(version) for model in registry.models() for version in model.versions]


def _row(version: ModelVersion) -> ModelRow:
    metric = version_tags.metric_of(version)
    return ModelRow(
        model=version.model,
        version=version.version,
        aliases=tuple(version.aliases),
        metric=metric,
        value=version_tags.value_of(version, metric),
        threshold=version_tags.value_of(version, mlflow_tags.THRESHOLD),
        candidate=version.tags.get(mlflow_tags.CANDIDATE, ""),
        experiment=version.tags.get(version_tags.TAG_EXPERIMENT, ""),
        run_id=version.run_id,
        created=datetime.fromtimestamp(version.created / 1000, UTC).isoformat(timespec="seconds"),
    )
