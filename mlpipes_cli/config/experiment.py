"""The typed ``experiment.yaml``."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from mlpipes_cli.config.any_run import AnyRun
from mlpipes_cli.config.base import MetricName, RegistryName, Strict
from mlpipes_cli.config.dataset.reference import DatasetReference, dataset_reference
from mlpipes_cli.config.executor import Executor
from mlpipes_cli.config.problems import validate
from mlpipes_cli.config.runs import Folds, Run
from mlpipes_cli.config.source import Source
from mlpipes_cli.config.threshold import NONE, Threshold
from mlpipes_cli.config.yaml_source import YamlSource, read_yaml
from mlpipes_cli.metric_catalog import Task

Column = Annotated[
    str,
    StringConstraints(strip_whitespace=False, min_length=1),
    BeforeValidator(lambda v: str(v) if isinstance(v, int) else v),
    WithJsonSchema({"anyOf": [{"type": "string", "minLength": 1}, {"type": "integer"}]}),
]


class Split(Strict):
    """How the holdout is taken: at random, the latest rows ``by`` a column, or whole groups."""

    test: Annotated[float, Field(gt=0.0, lt=1.0)] = Field(
        default=0.2, description="The share of the rows that are the holdout."
    )
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = Field(
        default=42, description="The seed of the random split, and of runs that name none."
    )
    stratify: bool = Field(default=True, description="Keep the shares of the classes in both parts.")
    by: Column | None = Field(
        default=None,
        description="The column by which the rows are ordered: the latest are the holdout. Left "
        "out, the split is random.",
    )
    group: Column | None = Field(
        default=None,
        description="The column, such as a customer, whose rows with the same value stay in one part; it "
        "is not a feature, and the folds of searches respect it.",
    )

    @model_validator(mode="before")
    @classmethod
    def _groups_are_not_stratified(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("group") is not None:
            return {"stratify": False} | value
        return value

    @model_validator(mode="after")
    def _one_way(self) -> Split:
        for other in ("by", "stratify"):
            if self.group is not None and getattr(self, other):
                raise ValueError(f"`group` and `{other}` exclude each other")
        return self

    def roles(self) -> dict[str, Any]:
        """Return the settings for fingerprints, where a later key counts only if it is set."""
        return self.model_dump(mode="json", exclude={"group"} if self.group is None else None)


def _one_group(pattern: str) -> str:
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise ValueError(f"{pattern!r} is not a valid regular expression: {error}") from None
    if groups != 1:
        raise ValueError(f"{pattern!r} needs exactly one group, which captures the label, such as ([A-Z])_")
    return pattern


class Images(Strict):
    """Images as files: a folder of them as the source, or columns of a table with their paths.

    The label of a file in a folder is the name of the folder that it lies in, or the beginning of its own
    name: what ``pattern`` has in its group, up to the first of ``_``, ``-`` and ``.`` when left out.
    """

    label: Literal["folder", "name"] = Field(
        default="folder",
        description="Where the label of an image is: the folder that it lies in, or the "
        "beginning of its file name.",
    )
    pattern: Annotated[str, AfterValidator(_one_group)] | None = Field(
        default=None,
        description="With `label: name`: a regular expression with one group that captures the "
        "label in the file's name.",
    )
    columns: tuple[Column, ...] = Field(
        default=(), description="Columns of a table that hold paths of images."
    )

    @model_validator(mode="after")
    def _a_pattern_is_for_names(self) -> Images:
        if self.pattern is not None and self.label != "name":
            raise ValueError("`pattern` needs `label: name`")
        return self


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def _a_whole_date(pattern: str) -> str:
    day = datetime(2001, 2, 3)
    try:
        parsed = datetime.strptime(day.strftime(pattern), pattern)
    except ValueError as error:
        raise ValueError(f"{pattern!r} is not a valid date format: {error}") from None
    if parsed.date() != day.date():
        raise ValueError(f"{pattern!r} does not contain a full date; write one such as '%d/%m/%Y'")
    return pattern


def _different(names: tuple[str, ...]) -> tuple[str, ...]:
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"duplicate name {twice[0]!r}")
    return names


Word = Annotated[
    str,
    StringConstraints(strip_whitespace=False, min_length=1),
    BeforeValidator(_as_text),
    WithJsonSchema({"anyOf": [{"type": "string", "minLength": 1}, {"type": "number"}]}),
]
HeaderSetting = Annotated[
    bool | Annotated[tuple[Column, ...], Field(min_length=1), AfterValidator(_different)] | None,
    Field(
        description="Whether the first line of a CSV file has the names of the columns. By default a first"
        " line that is a row is refused. `false` calls the columns column_1, column_2 and so on; a list"
        " names them."
    ),
]
DateFormat = Annotated[str, Field(min_length=1), AfterValidator(_a_whole_date)]


class Data(Strict):
    """Where the rows come from and what the columns mean.

    How a file is read is found out from the file; ``separator``, ``decimal``, ``thousands``, ``missing``,
    ``types`` and ``dates`` say it instead.
    """

    source: Source = Field(
        description="A file (CSV, JSON, Parquet or Excel; compressed, too), a glob, a folder of Parquet files"
        " or of images, `dataset:NAME` or `dataset:NAME@VERSION`, `sklearn:NAME`, `openml:ID`, an address"
        " (`https://...`, `s3://...`), `postgres:TABLE`, several of them, a table or query of a"
        " database, or a function."
    )
    target: Column = Field(description="The column to predict.")
    positive: str | int | float | bool | None = Field(
        default=None, description="Of two classes: the value that is the positive one."
    )
    task: Task | Literal["auto"] = Field(
        default="auto", description="What the target is; `auto` finds it out."
    )
    id: Column | None = Field(
        default=None,
        description="The column that identifies a row: not a feature, returned with predictions. A data "
        "set's key of one column by default.",
    )
    drop: tuple[Column, ...] = Field(default=(), description="Columns that are not features.")
    weights: Literal[False] | Column | None = Field(
        default=None,
        description="The column with the weights of the rows, numbers above 0, for `fit`: not a feature. "
        "A data set's own by default; `false` leaves all rows equal.",
    )
    images: Images | None = Field(default=None, description="Settings for images as files.")
    split: Split = Field(
        default=Split(), description="How the holdout is taken; a data set has its own split."
    )
    preprocess: Literal["auto", "none"] = Field(
        default="auto",
        description="`auto` prepares the columns for every run in the same way; `none` gives the"
        " columns as they are.",
    )
    separator: Annotated[
        Literal[",", ";", "\t", "|"] | None,
        Field(description="The separator between the fields of a CSV file."),
    ] = None
    header: HeaderSetting = None
    decimal: Annotated[
        Literal[".", ","] | None, Field(description="The decimal separator of numbers in a CSV file.")
    ] = None
    thousands: Annotated[
        Literal[",", ".", " ", "'"] | None,
        Field(description="The thousands separator of numbers in a CSV file."),
    ] = None
    missing: Annotated[
        tuple[Word, ...], Field(description="Values that mean a missing value in every column.")
    ] = ()
    types: Annotated[
        dict[Column, Literal["text", "number"]],
        Field(description="The types of columns, to override what is detected: codes are text."),
    ] = Field(default={})
    dates: Annotated[
        dict[Column, DateFormat],
        Field(description="The date format of columns, as for strftime: '%d/%m/%Y'."),
    ] = Field(default={})
    drop_missing_target: Annotated[
        bool, Field(description="Leave out the rows that have no target; without it they are an error.")
    ] = False
    sample_rows: Annotated[int, Field(ge=0, le=10_000)] = Field(
        default=10_000,
        description="The most rows of the holdout, features only, that are stored with each model.",
    )

    @property
    def texts(self) -> list[str]:
        """The columns that are text by ``types``, in the file's order."""
        return [name for name, kind in self.types.items() if kind == "text"]

    @property
    def dataset(self) -> DatasetReference | None:
        """The version of a data set that the rows come from, or None."""
        return dataset_reference(self.source)

    @field_validator("split")
    @classmethod
    def _a_dataset_has_its_split(cls, split: Split, info: ValidationInfo) -> Split:
        if dataset_reference(info.data.get("source")) is not None:
            raise ValueError("a data set has its own split; remove `split`, or set it in dataset.yaml")
        return split

    @model_validator(mode="after")
    def _roles_are_distinct(self) -> Data:
        if self.id == self.target:
            raise ValueError(f"`id` and `target` are both {self.target!r}")
        for role, name in (("weights", self.weights), ("split: group", self.split.group)):
            if name == self.target:
                raise ValueError(f"`{role}` and `target` are both {self.target!r}")
        if self.target in self.drop:
            raise ValueError(f"the target {self.target!r} is listed in `drop`")
        return self

    @model_validator(mode="after")
    def _formats_are_clear(self) -> Data:
        if self.decimal is not None and self.decimal == self.thousands:
            raise ValueError(f"`decimal` and `thousands` are both {self.decimal!r}")
        if both := sorted(self.types.keys() & self.dates.keys()):
            raise ValueError(f"{both[0]!r} is listed in both `types` and `dates`; use one of them")
        return self


def _not_empty(value: Any) -> Any:
    if value is None or value == []:
        raise ValueError("`runs` is empty; add at least one run")
    return value


class ExperimentConfig(Strict):
    """``experiment.yaml``: one data set, one holdout, the candidates."""

    experiment: RegistryName = Field(
        description="The name of the MLflow experiment, and of the registered model unless "
        "`model` says otherwise."
    )
    model: RegistryName | None = Field(default=None, description="The registered model's name.")
    data: Data = Field(description="Where the rows come from and what the columns mean.")
    metric: MetricName | None = Field(
        default=None, description="The metric by which the candidates are compared."
    )
    threshold: Threshold | None = Field(
        default=None,
        description="For two classes: from which score on a row is labelled positive. A run may "
        "say otherwise.",
    )
    cross_validate: Folds | None = Field(
        default=None,
        description="Also cross-validate each candidate on so many folds of the training rows.",
    )
    executor: Executor = Field(
        default=None, description="Where the runs are trained: on this machine, or on a Ray cluster."
    )
    runs: Annotated[
        tuple[AnyRun, ...], BeforeValidator(_not_empty), Field(json_schema_extra={"minItems": 1})
    ] = Field(description="The candidates.")

    @property
    def model_name(self) -> str:
        """The registered model's name."""
        return self.model or self.experiment

    def threshold_of(self, run: Run) -> Threshold | None:
        """Return how a run's threshold is chosen, by the run or by the file; None: as its library labels."""
        found = self.threshold if run.threshold is None else run.threshold
        return None if found == NONE else found

    def folds_of(self, run: Run) -> int | None:
        """Return on how many folds a run is cross-validated, by the run or by the file; None: not at all."""
        found = self.cross_validate if run.cross_validate is None else run.cross_validate
        return found or None

    @model_validator(mode="after")
    def _names_are_unique(self) -> ExperimentConfig:
        twice = [name for name, times in Counter(run.name for run in self.runs).items() if times > 1]
        if twice:
            raise ValueError(f"duplicate run names: {', '.join(twice)}; give each run its own name")
        return self


def load_experiment(path: Path, name: str | None = None) -> tuple[ExperimentConfig, YamlSource]:
    """Read and check an ``experiment.yaml``; the source gives lines to later checks.

    Raises:
        UsageError: It cannot be read.
        ConfigError: It has mistakes; all of them are named.
    """
    source = read_yaml(path, name)
    return validate(ExperimentConfig, source), source
