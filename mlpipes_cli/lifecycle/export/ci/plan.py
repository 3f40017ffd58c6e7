"""What the workflows of every CI system have in common: the steps, the schedule, the names of secrets."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli.config.pipeline import order
from mlpipes_cli.config.pipeline.config import PIPELINE_FILE, PipelineConfig, load_pipeline
from mlpipes_cli.config.pipeline.steps import MonitorAction, PromoteAction, Step, TrainAction
from mlpipes_cli.config.spans import words
from mlpipes_cli.errors import UsageError
from mlpipes_cli.signing import keys

if TYPE_CHECKING:
    from mlpipes_cli.config.delivery.section import Deploy
    from mlpipes_cli.project import ProjectFolder

_VARIABLE = re.compile(r"\$\{?([A-Z][A-Z0-9_]*)\b")
_OF_REMOTE = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
_OF_BUCKET = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
_FREE_TEXT = {"query", "run", "command", "pattern"}  # values in which $NAME may mean something else
DAILY = "0 3 * * *"
_SAID = {timedelta(days=1): DAILY, timedelta(days=7): "0 3 * * 1"}


@dataclass(frozen=True)
class CiPlan:
    """What the workflows do.

    Attributes:
        pipeline: The pipeline's file relative to the project, if the project has one.
        before: The steps that a training needs, and the training: what a pull request runs.
        promote: The promotion that a pull request only tries; the last one of the pipeline.
        train: The training among ``before`` whose best run is reported.
        monitor: The nightly check.
        schedule: When the nightly check is made, as cron has it.
        timezone: The time zone of the schedule, if one is named.
        warning: What the schedule cannot say; empty if nothing.
        left_out: Steps of the pipeline that a pull request does not run.
        secrets: Names of variables with secrets or addresses.
        deploy: What makes a new version reach its users.
        alias: The alias that is served.
    """

    pipeline: str | None
    before: tuple[Step, ...]
    promote: Step
    train: Step
    monitor: Step
    schedule: str
    timezone: str | None
    warning: str
    left_out: tuple[str, ...]
    secrets: tuple[str, ...]
    deploy: Deploy
    alias: str


def make_plan(project: ProjectFolder, file: Path, shown_as: str) -> CiPlan:
    """Return the plan of a project, from its pipeline or, without one, from its experiment.

    Args:
        project: The project.
        file: The pipeline's file.
        shown_as: How messages call it.

    Raises:
        UsageError: There is no pipeline and no experiment, the pipeline has mistakes, or it does not train.
    """
    if not file.is_file() and file == (project.root / PIPELINE_FILE):
        config, name = _of_files(project), None
    else:
        config, name = load_pipeline(file, project.root, shown_as), _relative(project, file)
    steps = order.in_order(config.steps)
    trains = [step for step in steps if step.train is not None]
    if not trains:
        raise UsageError(
            f"{shown_as}: pipeline {config.pipeline!r} has no step that trains",
            "add one, such as `{name: train, train: experiment.yaml}`",
        )
    needed = _needed(steps, trains[-1])
    if conditional := [step.name for step in needed if step.when]:
        raise UsageError(
            f"{shown_as}: step {conditional[0]!r} has `when`, but a pull request always trains",
            "use `needs` for the steps before the training",
        )
    promotions = [step for step in steps if step.promote is not None]
    checks = any(step.monitor is not None for step in steps)
    schedule, zone, warning = _moments(project, config, checks=checks)
    return CiPlan(
        pipeline=name if promotions else None,
        before=tuple(needed),
        promote=promotions[-1] if promotions else Step(name="promote", promote=PromoteAction()),
        train=trains[-1],
        monitor=Step(name="monitor", monitor=MonitorAction(scheduled=True)),
        schedule=schedule,
        timezone=zone,
        warning=warning,
        left_out=tuple(step.name for step in steps if step not in needed),
        secrets=tuple(sorted(_secrets(project, config))),
        deploy=project.config.deploy,
        alias=project.config.serving.alias,
    )


def _relative(project: ProjectFolder, file: Path) -> str:
    relative = os.path.relpath(file, project.root)
    if relative.startswith(".."):
        raise UsageError(f"{file}: not in the project's folder", "the workflows need it in the repository")
    return relative


def _of_files(project: ProjectFolder) -> PipelineConfig:
    """Return the pipeline of a project that has none: its data set, if there is one, and its experiment."""
    if not (project.root / "experiment.yaml").is_file():
        raise UsageError(
            f"the project has neither {PIPELINE_FILE} nor experiment.yaml",
            "see `mlpipes init`, or name a file",
        )
    steps = []
    if (project.root / "dataset.yaml").is_file():
        steps += [Step(name="load", data="load"), Step(name="prepare", data="prepare", needs=("load",))]
    needs = ("prepare",) if steps else ()
    steps.append(Step(name="train", train=TrainAction(file="experiment.yaml"), needs=needs))
    return PipelineConfig(pipeline=project.config.project.lower(), steps=tuple(steps))


def _needed(steps: list[Step], wanted: Step) -> list[Step]:
    """Return a step and all that it waits for, in order."""
    names = {wanted.name}
    for step in reversed(steps):
        if step.name in names:
            names.update(step.waits_for)
    return [step for step in steps if step.name in names]


def _moments(project: ProjectFolder, config: PipelineConfig, *, checks: bool) -> tuple[str, str | None, str]:
    """Return when the check is made: a cron expression, its time zone if one is named, and a warning.

    It is the pipeline's schedule if the pipeline has a check, else that of ``monitoring``. A time that cron
    cannot say becomes once a day, with a warning.
    """
    from mlpipes_cli.config.schedule.cron import Cron

    if config.schedule and checks:
        return config.schedule, config.timezone, ""
    rule = project.config.monitoring.schedule.rule
    if isinstance(rule, Cron):
        return rule.expression, rule.zone, ""
    hours, rest = divmod(rule, timedelta(hours=1))
    if not rest and 0 < hours < 24 and 24 % hours == 0:
        return (f"0 */{hours} * * *" if hours > 1 else "0 * * * *"), None, ""
    if rule in _SAID:
        return _SAID[rule], None, ""
    return DAILY, None, f"cron cannot say `monitoring: schedule: {words(rule)}`: the check is made once a day"


def _secrets(project: ProjectFolder, config: PipelineConfig) -> Iterator[str]:
    """Yield the names of variables that the project's files refer to, and those that its runtime reads."""
    yield keys.NAME
    settings = json.loads(project.config.model_dump_json())
    yield from _names(settings)
    for step in config.steps:
        yield from _names(dict(step.env))
    for name in ("experiment.yaml", "dataset.yaml"):
        yield from _names(_content(project.root / name))
    if project.config.runtime == "remote":
        yield from _OF_REMOTE
        if project.config.stack.object_store.url is not None:
            yield from _OF_BUCKET


def _content(file: Path) -> Any:
    import yaml

    from mlpipes_cli.config import yaml_bounds

    try:
        return yaml_bounds.load(file.read_text(encoding="utf-8")) if file.is_file() else None
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return None  # the command that reads the file names the mistake


def _names(value: Any) -> set[str]:
    if isinstance(value, Mapping):
        return set().union(*(_names(item) for key, item in value.items() if key not in _FREE_TEXT))
    if isinstance(value, list):
        return set().union(*map(_names, value))
    return set(_VARIABLE.findall(value)) if isinstance(value, str) else set()
