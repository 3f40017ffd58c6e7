"""A step of ``pipeline.yaml``: what it does, after which steps, and how often it is tried."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from mlpipes_cli.config.base import MetricName, RegistryName, Strict
from mlpipes_cli.config.pipeline.conditions import Conditions, StepName
from mlpipes_cli.config.pipeline.durations import Seconds, Timeout

Text = Annotated[str, Field(min_length=1, max_length=500)]
File = Annotated[str, Field(min_length=1, max_length=1000)]
OneOrMore = Annotated[
    tuple[Text, ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "minLength": 1, "maxLength": 500},
                {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 500}},
            ]
        }
    ),
]
Number = Annotated[int, Field(ge=1, strict=True)]
AllowedCode = Annotated[int, Field(ge=1, le=255, strict=True)]
ACTIONS = ("data", "train", "promote", "monitor", "retrain", "build", "report", "run")


class TrainAction(Strict):
    """What ``mlpipes train`` takes."""

    file: File = Field(description="The experiment file.")
    only: tuple[Text, ...] = Field(default=(), description="Train only these candidates.")
    parallel: Number | None = Field(default=None, description="Candidates trained at a time.")


class PromoteAction(Strict):
    """What ``mlpipes promote`` takes."""

    metric: MetricName | None = Field(
        default=None, description="The metric that selects and compares runs; by default the experiment's."
    )
    experiment: Text | None = Field(default=None, description="The experiment; by default the newest.")
    run: Text | None = Field(default=None, description="A run id or a candidate; by default the best.")
    to: RegistryName | None = Field(default=None, description="The alias to move; by default production.")
    to_project: File | None = Field(
        default=None,
        description="The folder of another project: the served version is copied and promoted there.",
    )
    reason: Text | None = Field(default=None, description="A reason, kept in the history.")


class MonitorAction(Strict):
    """What ``mlpipes monitor`` takes."""

    model: RegistryName | None = Field(default=None, description="The registered model.")
    version: Number | None = Field(default=None, description="The version to check.")
    alias: RegistryName | None = Field(default=None, description="Check the version of this alias.")
    since: Text | None = Field(default=None, description="Start of the window: 1d, 2026-11-21.")
    until: Text | None = Field(default=None, description="Its end: 1h, 2026-11-21T10:00.")
    rows: Number | None = Field(default=None, description="The newest N predictions in place of `since`.")
    scheduled: bool = Field(
        default=False, description="Keep to the false alarms a year that mlpipes.yaml allows."
    )
    output: File | None = Field(default=None, description="Write the report to this .html file.")


class RetrainAction(Strict):
    """What ``mlpipes retrain`` takes."""

    if_: Text | None = Field(
        default=None, alias="if", description="The causes to train for: drift, performance, truth:500."
    )
    to: RegistryName | None = Field(default=None, description="The alias that a better version gets.")

    @field_validator("if_", mode="before")
    @classmethod
    def _joined(cls, value: Any) -> Any:
        return ",".join(map(str, value)) if isinstance(value, list) and value else value


class BuildAction(Strict):
    """What ``mlpipes build`` takes."""

    model: RegistryName | None = Field(default=None, description="The registered model.")
    alias: RegistryName | None = Field(default=None, description="The alias to build from.")
    version: Number | None = Field(default=None, description="A version in place of an alias.")
    tag: OneOrMore = Field(default=(), description="The image's name, or several.")
    push: OneOrMore = Field(default=(), description="Push it as REGISTRY/NAME:TAG; one name or several.")
    platform: Text | None = Field(default=None, description="Such as linux/arm64.")


class ReportAction(Strict):
    """What ``mlpipes report`` takes."""

    run: Text | None = Field(default=None, description="A run id or a candidate; by default the best.")
    experiment: Text | None = Field(default=None, description="The experiment; by default the newest.")
    metric: MetricName | None = Field(
        default=None, description="The metric that selects and compares runs; by default the experiment's."
    )
    to: RegistryName | None = Field(
        default=None, description="The alias to compare with; by default production."
    )
    output: File | None = Field(
        default=None, description="Write a .md file with a folder of plots, or one .html page."
    )
    force: bool = Field(default=False, description="Overwrite a file that is not such a report.")


def _an_output(value: Any) -> Any:
    return {"output": value} if isinstance(value, str) else value


def _a_file(value: Any) -> Any:
    return {"file": value} if isinstance(value, str) else value


class Step(Strict):
    """One step: its name, what it does, by exactly one of the keys from ``data`` to ``run``, and when."""

    model_config = Strict.model_config | {
        "json_schema_extra": {"oneOf": [{"required": [action]} for action in ACTIONS]}
    }

    name: StepName = Field(description="The step's name: letters, digits, - and _, with a letter first.")
    data: Literal["load", "check", "prepare", "profile"] | None = Field(
        default=None, description="A command of `mlpipes data`, on `file`."
    )
    file: File | None = Field(
        default=None, description="With `data`: the data set's file; by default dataset.yaml."
    )
    output: File | None = Field(default=None, description="With `data: profile`: the page to write.")
    train: Annotated[TrainAction, BeforeValidator(_a_file)] | None = Field(
        default=None, description="Train an experiment: its file, or the options of `mlpipes train`."
    )
    promote: PromoteAction | None = Field(default=None, description="The options of `mlpipes promote`.")
    monitor: MonitorAction | None = Field(default=None, description="The options of `mlpipes monitor`.")
    retrain: RetrainAction | None = Field(default=None, description="The options of `mlpipes retrain`.")
    build: BuildAction | None = Field(default=None, description="The options of `mlpipes build`.")
    report: Annotated[ReportAction, BeforeValidator(_an_output)] | None = Field(
        default=None, description="A model card: its .md or .html file, or the options of `mlpipes report`."
    )
    run: Annotated[str, Field(min_length=1, max_length=20_000)] | None = Field(
        default=None, description="A command of the shell, in the project's folder."
    )
    needs: tuple[StepName, ...] = Field(
        default=(), description="Steps that have to be done before this one starts."
    )
    when: Conditions | None = Field(
        default=None, description="Run only if this holds of earlier steps; a list: all of it."
    )
    retries: Annotated[int, Field(ge=0, le=100, strict=True)] = Field(
        default=0, description="How often a failed step is tried again."
    )
    retry_delay: Seconds = Field(
        default=10.0, description="The time before the first retry: seconds, or 30s, 10m, 2h."
    )
    retry_backoff: Annotated[float, Field(ge=1.0, le=10.0)] = Field(
        default=1.0, description="By how much the time grows with each retry; at most to an hour."
    )
    timeout: Timeout | None = Field(
        default=None, description="The most time of one try: seconds, or 30s, 10m, 2h."
    )
    allow: tuple[AllowedCode, ...] = Field(
        default=(), description="Exit codes that count as done, next to 0."
    )
    env: Mapping[str, str] = Field(
        default={},
        description="Environment variables of the step. `$NAME` is taken from the environment, else from"
        " `.env`.",
    )

    @field_validator("env")
    @classmethod
    def _are_variables(cls, env: Mapping[str, str]) -> Mapping[str, str]:
        for name in env:
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
                raise ValueError(f"{name!r} is not a valid name of an environment variable")
        return env

    @model_validator(mode="after")
    def _does_one_thing(self) -> Step:
        given = [action for action in ACTIONS if getattr(self, action) is not None]
        if len(given) != 1:
            known = ", ".join(f"`{action}`" for action in ACTIONS)
            found = " and ".join(f"`{action}`" for action in given)
            raise ValueError(f"step {self.name!r} needs one of {known}{', got ' + found if found else ''}")
        if self.file is not None and given != ["data"]:
            raise ValueError(f"step {self.name!r}: `file` is for `data`")
        if self.output is not None and self.data != "profile":
            raise ValueError(f"step {self.name!r}: `output` is for `data: profile`")
        return self

    @property
    def action(self) -> str:
        """What the step does: the key that is given of ``ACTIONS``."""
        return next(action for action in ACTIONS if getattr(self, action) is not None)

    @property
    def input_file(self) -> str | None:
        """The file that the step reads, relative to the project's folder; None if it reads none."""
        if self.data is not None:
            return self.file or "dataset.yaml"
        return None if self.train is None else self.train.file

    @property
    def conditions(self) -> Conditions:
        """The conditions; none are an empty tuple."""
        return self.when or ()

    @property
    def waits_for(self) -> tuple[str, ...]:
        """The steps that have to end before this one: ``needs``, and those that ``when`` asks."""
        return tuple(dict.fromkeys((*self.needs, *(one.step for one in self.conditions))))

    def delay(self, retry: int) -> float:
        """Return the seconds before a retry, counted from 1."""
        return float(min(self.retry_delay * self.retry_backoff ** (retry - 1), max(3600.0, self.retry_delay)))
