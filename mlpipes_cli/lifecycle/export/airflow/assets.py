"""The assets of a pipeline: what its steps make, under names that other DAGs can wait for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mlpipes_cli.config.dataset.config import load_dataset
from mlpipes_cli.config.experiment import load_experiment
from mlpipes_cli.errors import MlpipesError

if TYPE_CHECKING:
    from mlpipes_cli.config.pipeline.config import PipelineConfig
    from mlpipes_cli.config.pipeline.steps import Step
    from mlpipes_cli.project import ProjectFolder


def of_step(project: ProjectFolder, config: PipelineConfig, step: Step) -> tuple[str, ...]:
    """Return the addresses of the assets that a step updates.

    A load makes ``mlpipes://PROJECT/raw/DATASET``, a preparation ``mlpipes://PROJECT/datasets/DATASET``, a
    promotion ``mlpipes://PROJECT/models/MODEL/ALIAS``. A step whose file cannot be read yet has none.
    """
    start = f"mlpipes://{project.config.project}"
    try:
        if step.data in ("load", "prepare"):
            name = load_dataset(project.root / (step.input_file or ""))[0].dataset
            return (f"{start}/{'raw' if step.data == 'load' else 'datasets'}/{name}",)
        if step.promote is not None:
            alias = step.promote.to or "production"
            return tuple(f"{start}/models/{model}/{alias}" for model in _models(project, config, step))
    except MlpipesError:
        pass
    return ()


def _models(project: ProjectFolder, config: PipelineConfig, step: Step) -> Iterator[str]:
    """Yield the models that a promotion may be of: its experiment's, else all that the pipeline trains."""
    wanted = None if step.promote is None else step.promote.experiment
    files = [other.train.file for other in config.steps if other.train is not None]
    if wanted is not None and (project.root / wanted).is_file():
        files, wanted = [wanted], None
    found: set[str] = set()
    for file in files or ["experiment.yaml"]:
        if (project.root / file).is_file():
            experiment, _ = load_experiment(project.root / file, file)
            if wanted in (None, experiment.experiment):
                found.add(experiment.model or experiment.experiment)
    yield from sorted(found or ({wanted} if wanted else set()))
