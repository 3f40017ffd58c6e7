"""``pipeline.yaml`` as a whole."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from mlpipes_cli.config.base import Strict
from mlpipes_cli.config.pipeline import order
from mlpipes_cli.config.pipeline.steps import Step
from mlpipes_cli.config.problems import validate
from mlpipes_cli.config.schedule.cron_fields import CronExpression
from mlpipes_cli.config.spans import Span
from mlpipes_cli.config.yaml_source import YamlSource, read_yaml
from mlpipes_cli.errors import ConfigError

PIPELINE_FILE = "pipeline.yaml"


class PipelineConfig(Strict):
    """``pipeline.yaml``: the commands that make up the loop of a model, strung together."""

    pipeline: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")] = Field(
        description="The pipeline's name: lower-case letters, digits, - and _, at most 63 characters."
    )
    schedule: CronExpression | None = Field(
        default=None,
        description="When the exports run it, as cron has it: minute, hour, day, month, day of the week."
        " `mlpipes run` runs at once.",
    )
    timezone: str | None = Field(
        default=None,
        description="The time zone of `schedule`, such as Europe/Berlin; by default the machine's.",
    )
    parallel: Annotated[int, Field(ge=1, le=64, strict=True)] = Field(
        default=2, description="The most steps that run side by side."
    )
    at_once: Literal["wait", "refuse"] = Field(
        default="refuse",
        description="What a run does while another one of this pipeline runs: wait for its end, or refuse.",
    )
    keep: Span = Field(
        default=timedelta(days=365),
        description="How long runs are kept: 90d, 52w. The newest 20 always stay.",
        json_schema_extra={"default": "365d"},
    )
    steps: Annotated[tuple[Step, ...], Field(max_length=200)] = Field(
        description="The steps; those that need no other one start at once.",
        json_schema_extra={"minItems": 1},
    )

    @field_validator("steps")
    @classmethod
    def _has_steps(cls, steps: tuple[Step, ...]) -> tuple[Step, ...]:
        if not steps:
            raise ValueError("a pipeline needs at least one step")
        return steps

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, name: str | None) -> str | None:
        if name is not None:
            import zoneinfo

            try:
                zoneinfo.ZoneInfo(name)
            except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
                raise ValueError(
                    f"{name!r} is not a known time zone; use a name such as Europe/Berlin"
                ) from None
        return name

    def step(self, name: str) -> Step:
        """Return a step by its name.

        Raises:
            KeyError: There is no such step.
        """
        for step in self.steps:
            if step.name == name:
                return step
        raise KeyError(name)


def load_pipeline(path: Path, root: Path, name: str | None = None) -> PipelineConfig:
    """Read and check a ``pipeline.yaml``.

    A file that a step reads has to exist, unless an earlier step is a ``run``, which may make it.

    Args:
        path: The file.
        root: The project's folder, from which the files of steps are found.
        name: How messages call the file.

    Raises:
        UsageError: It cannot be read.
        ConfigError: It has mistakes; all of them are named.
    """
    source = read_yaml(path, name)
    config = validate(PipelineConfig, source)
    found = [
        source.problem(("steps", *_written(source, at)), text) for at, text in order.problems(config.steps)
    ]
    if not found:
        found = _problems(config, source, root)
    if found:
        raise ConfigError(found)
    return config


def _written(source: YamlSource, location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Return a location as it is in the file: one condition needs no list."""
    if "when" in location and ("steps", *location) not in source.lines:
        return tuple(part for position, part in enumerate(location) if position != 2)
    return location


def _problems(config: PipelineConfig, source: YamlSource, root: Path) -> list[str]:
    try:
        steps = order.in_order(config.steps)
    except ValueError as error:
        return [source.problem(("steps",), str(error))]
    made = order.dependants(steps, (step.name for step in steps if step.run is not None))
    found = []
    for position, step in enumerate(config.steps):
        file = step.input_file
        if file is not None and step.name not in made and not (root / file).is_file():
            key = "file" if step.data is not None and step.file else step.action
            shown = os.path.relpath(root / file)
            found.append(source.problem(("steps", position, key), f"{shown}: no such file"))
    return found
