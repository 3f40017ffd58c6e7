"""The reference of a version: holdout rows that travel with the model, and its predictions for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlpipes_cli import mlflow_tags
from mlpipes_cli.data.formats import Formats
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.lifecycle.monitoring import frames
from mlpipes_cli.lifecycle.promotion.holdout_archive import HoldoutArchive
from mlpipes_cli.lifecycle.trust import project_vault

if TYPE_CHECKING:
    import pandas as pd

    from mlpipes_cli.ports import Endpoints, ModelVersion, Registry, RunRecord
    from mlpipes_cli.project import ProjectFolder
    from mlpipes_cli.scoring.predictions import Predictions
    from mlpipes_cli.server.models.signature import InputColumn

MODEL_FILES = ("MLmodel", mlflow_tags.MODEL_SAMPLE)
_RETRAIN = (
    "train with `data: {sample_rows: 10000}` and promote; or compare files with --reference and --current"
)


@dataclass(frozen=True, eq=False)
class Reference:
    """What a version is compared with.

    Attributes:
        columns: The inputs that the model takes.
        formats: What its training counted as missing.
        details: Task, classes and more, as training wrote them beside the model.
        rows: (n, columns) the inputs in the types of the model's signature.
        predictions: (n rows of the same order) the prediction and scores; None if the run does not have them.
        holdout: All predictions of the holdout with their target; None if the run does not have them.
        metric: The metric that decided in training; None if the run is gone.
    """

    columns: Sequence[InputColumn]
    formats: Formats
    details: Mapping[str, Any]
    rows: pd.DataFrame
    predictions: Predictions | None
    holdout: Predictions | None
    metric: str | None


def read(
    project: ProjectFolder, registry: Registry, endpoints: Endpoints, version: ModelVersion
) -> Reference:
    """Read the reference of a version; the model itself is not loaded.

    Raises:
        Untrusted: The model is not signed by this project.
        MlpipesError: The model has no reference rows, or the registry does not answer.
    """
    from mlpipes_cli.server.compiled.sample import read_sample
    from mlpipes_cli.server.models.signature import describe

    title = f"version {version.version} of model {version.model!r}"
    vault = project_vault.of(project, endpoints)
    with project_vault.parts(vault, version.model, version.version, MODEL_FILES) as folder:
        try:
            about = describe(folder)
        except (OSError, ValueError):
            raise MlpipesError(f"{title} has no readable MLmodel", "train it again") from None
        sample = read_sample(folder)
    if not about.columns:
        raise MlpipesError(
            f"{title} takes arrays without column names, which cannot be compared",
            "train it on a table with column names",
        )
    if sample is None:
        raise MlpipesError(f"{title} has no reference rows", _RETRAIN)
    formats = Formats.of_model(about.details)
    rows, _ = frames.typed(sample.frame, about.columns, formats)
    run = registry.run(version.run_id) if version.run_id else None
    holdout = None if run is None else _holdout(project, registry, run)
    matching = None if holdout is None else _matching(holdout, len(rows))
    metric = None if run is None else run.tags.get(mlflow_tags.METRIC)
    return Reference(about.columns, formats, about.details, rows, matching, holdout, metric)


def _holdout(project: ProjectFolder, registry: Registry, run: RunRecord) -> Predictions | None:
    """Return the run's predictions for its holdout; None if it has none that can be read."""
    if mlflow_tags.TASK not in run.tags:
        return None
    (found,) = HoldoutArchive(registry, project.cache / "runs").all_predictions([run])
    return found


def _matching(holdout: Predictions, rows: int) -> Predictions | None:
    """Return the predictions of the rows that travel with the model, in their order."""
    from mlpipes_cli.worker.holdout_sample import drawn

    return holdout.take(drawn(holdout.rows, rows)) if holdout.rows >= rows else None
