"""Writes the DAG: the program of ``compose/airflow/dag.py`` with the steps of a pipeline in it."""

from __future__ import annotations

import hashlib
import pprint
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli import output_files, package_files
from mlpipes_cli.config.pipeline import order
from mlpipes_cli.config.pipeline.config import PipelineConfig, load_pipeline
from mlpipes_cli.errors import UsageError
from mlpipes_cli.lifecycle.export.airflow import assets
from mlpipes_cli.lifecycle.pipelines.commands import arguments, argv, this_program

if TYPE_CHECKING:
    from mlpipes_cli.config.pipeline.steps import Step
    from mlpipes_cli.project import ProjectFolder

MARK = "Written by `mlpipes export airflow`"
_SUM = re.compile(r"\A# .*\n# sha256 of all below: ([0-9a-f]{64})\n")
_BLOCK = re.compile(r"# <pipeline>\n.*?# </pipeline>\n", re.DOTALL)
_WIDTH = 100


@dataclass(frozen=True)
class AirflowExport:
    """What was written.

    Attributes:
        dag: The DAG's id.
        path: The file.
        schedule: Its cron expression, or None.
        assets: The assets that its tasks update, for the schedules of other DAGs.
    """

    dag: str
    path: str
    schedule: str | None
    assets: Sequence[str]


def export(
    project: ProjectFolder, file: Path, shown_as: str, output: Path, *, force: bool = False
) -> AirflowExport:
    """Write a pipeline as the file of a DAG.

    Args:
        project: The project.
        file: The pipeline's file.
        shown_as: How messages call it.
        output: The folder of DAGs; it is made if its parent exists.
        force: Replace any regular file.

    Raises:
        UsageError: The pipeline's file is wrong, or the file of the DAG is not of this command or was
            changed since.
        MlpipesError: It cannot be written.
    """
    config = load_pipeline(file, project.root, shown_as)
    name, path = dag_id(project, config), output / file_name(project, config)
    output_files.make_folder(output)
    output_files.check(path, MARK, f"a DAG of `{MARK[12:-1]}`", force=force)
    if not force and path.exists() and is_changed(path):
        raise UsageError(
            f"{path}: was changed since the export", "keep it elsewhere, or overwrite it with --force"
        )
    found = outlets(project, config)
    output_files.write(path, rendered(project, config, name, found))
    updated = sorted({uri for uris in found.values() for uri in uris})
    return AirflowExport(name, str(path), config.schedule, updated)


def dag_id(project: ProjectFolder, config: PipelineConfig) -> str:
    """Return the id of a pipeline's DAG."""
    return f"{project.config.project}-{config.pipeline}"


def file_name(project: ProjectFolder, config: PipelineConfig) -> str:
    """Return the name of a DAG's file."""
    return f"mlpipes-{dag_id(project, config)}.py"


def is_changed(path: Path) -> bool:
    """Return whether a file of this command is not as it was written."""
    text = path.read_text(encoding="utf-8", errors="replace")
    found = _SUM.match(text)
    return found is None or _digest(text[found.end() :]) != found[1]


def outlets(project: ProjectFolder, config: PipelineConfig) -> dict[str, tuple[str, ...]]:
    """Return the assets that each step updates, by the step's name."""
    return {step.name: assets.of_step(project, config, step) for step in config.steps}


def rendered(
    project: ProjectFolder, config: PipelineConfig, name: str, updated: dict[str, tuple[str, ...]]
) -> str:
    """Return the file; the same pipeline at the same place is the same text."""
    values: dict[str, Any] = {
        "NAME": name,
        "PROJECT": str(project.root),
        "PROGRAM": list(this_program()),
        "SCHEDULE": config.schedule,
        "ZONE": config.timezone,
        "PARALLEL": config.parallel,
        "STEPS": [_step(step, updated[step.name]) for step in order.in_order(config.steps)],
    }
    lines = (
        f"{key} = {pprint.pformat(value, width=_WIDTH, sort_dicts=False)}\n" for key, value in values.items()
    )
    block = f"# <pipeline>\n{''.join(lines)}# </pipeline>\n"
    program = (package_files.compose() / "airflow" / "dag.py").read_text(encoding="utf-8")
    text = _BLOCK.sub(lambda _: block, program, count=1)
    head = f"# {MARK}; the next export replaces it, unless it was changed."
    return f"{head}\n# sha256 of all below: {_digest(text)}\n{text}"


def _step(step: Step, updated: tuple[str, ...]) -> dict[str, Any]:
    """Return a step as the DAG's program reads it."""
    own = step.run is None
    return {
        "name": step.name,
        "own": own,
        "command": ["--json", *arguments(step)] if own else list(argv(step)),
        "needs": list(step.needs),
        "when": list(_conditions(step)),
        "retries": step.retries,
        "retry_delay": step.retry_delay,
        "retry_backoff": step.retry_backoff,
        "timeout": step.timeout,
        "allow": list(step.allow),
        "env": dict(step.env),
        "outlets": list(updated),
    }


def _conditions(step: Step) -> Iterator[dict[str, Any]]:
    for condition in step.conditions:
        yield {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in condition.model_dump().items()
            if value is not None
        }


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
