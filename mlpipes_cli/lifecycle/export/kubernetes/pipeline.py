"""The steps of pipeline.yaml as jobs of a cluster."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlpipes_cli.errors import UsageError
from mlpipes_cli.lifecycle.export.kubernetes.jobs import DAY, Task
from mlpipes_cli.local_files.variables import VARIABLE

if TYPE_CHECKING:
    from mlpipes_cli.config.pipeline.steps import Step
    from mlpipes_cli.project import ProjectFolder

_LONGEST = 52  # characters of a CronJob's name; its jobs' names are longer


def tasks(project: ProjectFolder, name: str) -> Sequence[Task]:
    """Return the pipeline, and each of its training steps, which starts only when it is told to.

    Args:
        project: The project.
        name: The beginning of all resources' names.

    Raises:
        UsageError: pipeline.yaml cannot be read, or a step has a name that a cluster does not allow.
        ConfigError: It has mistakes.
    """
    from mlpipes_cli.config.pipeline.config import PIPELINE_FILE, load_pipeline

    path = project.root / PIPELINE_FILE
    if not path.is_file():
        return ()
    config = load_pipeline(path, project.root, os.path.relpath(path))
    whole = Task(
        "pipeline", ("run", PIPELINE_FILE, "--json"), config.schedule, zone=config.timezone or "Etc/UTC"
    )
    found = [whole, *(_training(step) for step in config.steps if step.train is not None)]
    shown = project.shown(path)
    for position, task in enumerate(found):
        if len(f"{name}-{task.name}") > _LONGEST:
            raise UsageError(
                f"{shown}: {name}-{task.name} has more than the {_LONGEST} characters of a CronJob",
                "choose a shorter name for the step or the project",
            )
        if task.name in [other.name for other in found[:position]]:
            raise UsageError(
                f"{shown}: two steps would both be the job {name}-{task.name}",
                "choose names that differ in more than case, - and _",
            )
    return found


def _training(step: Step) -> Task:
    from mlpipes_cli.lifecycle.pipelines.commands import arguments

    slug = step.name.lower().replace("_", "-").strip("-")
    return Task(
        f"train-{slug}",
        ("--json", *arguments(step)),
        retries=step.retries,
        seconds=max(1, round(step.timeout)) if step.timeout else DAY,
        environment={name: _reference(text) for name, text in step.env.items()},
    )


def _reference(text: str) -> str:
    """Return a value in which ``$NAME`` is Kubernetes' ``$(NAME)``, a variable of the same container."""
    return VARIABLE.sub(lambda found: f"$({found[1] or found[2]})", text)
