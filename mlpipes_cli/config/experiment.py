"""The typed ``experiment.yaml``."""

from __future__ import annotations

import math
import re
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    model_validator,
)

from mlpipes_cli.config.base import MetricName, RegistryName, Strict
from mlpipes_cli.config.problems import validate
from mlpipes_cli.config.yaml_source import YamlSource, read_yaml
from mlpipes_cli.metric_catalog import Task

ParamValue = Any
Column = Annotated[
    str,
    Field(min_length=1),
    BeforeValidator(lambda v: str(v) if isinstance(v, int) else v),
    WithJsonSchema({"anyOf": [{"type": "string", "minLength": 1}, {"type": "integer"}]}),
]


def _dotted(path: str) -> str:
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", path):
        raise ValueError(f"{path!r} is no dotted path such as sklearn.linear_model.LogisticRegression")
    return path


def _function(path: str) -> str:
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", path):
        raise ValueError(f"{path!r} is no function path such as my_module:train")
    return path


DottedPath = Annotated[str, AfterValidator(_dotted)]
FunctionPath = Annotated[str, AfterValidator(_function)]


class PostgresSource(Strict):
    """Rows of a Postgres: a table or a query, of the project's own database or another one.

    ``url`` may name an environment variable as ``$NAME``, so that no password stands in the file.
    """

    table: str | None = None
    query: str | None = None
    url: str | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> PostgresSource:
        if (self.table is None) == (self.query is None):
            raise ValueError("give either `table` or `query`")
        return self


class Split(Strict):
    """How the holdout is taken: at random, or the latest rows ``by`` a column."""

    test: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 42
    stratify: bool = True
    by: Column | None = None


def _kind_of_source(value: Any) -> str:
    return "postgres" if isinstance(value, (dict, PostgresSource)) else "text"


Source = Annotated[
    Annotated[str, Tag("text")] | Annotated[PostgresSource, Tag("postgres")], Discriminator(_kind_of_source)
]


class Data(Strict):
    """Where the rows come from and what the columns mean."""

    source: Source
    target: Column
    positive: str | int | float | bool | None = None
    task: Task | Literal["auto"] = "auto"
    id: Column | None = None
    drop: tuple[Column, ...] = ()
    split: Split = Split()
    preprocess: Literal["auto", "none"] = "auto"

    @model_validator(mode="after")
    def _roles_are_distinct(self) -> Data:
        if self.id == self.target:
            raise ValueError(f"`id` and `target` are both {self.target!r}")
        if self.target in self.drop:
            raise ValueError(f"the target {self.target!r} stands in `drop`")
        return self


class Search(Strict):
    """Hyperparameter search by cross-validation on the training rows."""

    method: Literal["grid", "random"] = "grid"
    iterations: Annotated[int, Field(ge=1, le=10_000)] = 20
    folds: Annotated[int, Field(ge=2, le=50)] = 5
    metric: MetricName | None = None
    space: Annotated[dict[str, Any], Field(min_length=1)]

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: Any) -> dict[str, Any]:
        """Both ways of writing it: the fields, or a plain mapping of parameters to lists."""
        full = handler.resolve_ref_schema(handler(core))
        grid = {
            "type": "object",
            "minProperties": 1,
            "not": {"required": ["space"]},
            "additionalProperties": {"type": "array", "minItems": 1},
        }
        return {"title": full.pop("title"), "description": full.pop("description"), "anyOf": [full, grid]}

    @model_validator(mode="before")
    @classmethod
    def _plain_mapping_is_a_grid(cls, value: Any) -> Any:
        if isinstance(value, dict) and "space" not in value:
            return {"space": value}
        return value

    @model_validator(mode="after")
    def _values_fit_the_method(self) -> Search:
        for param, values in self.space.items():
            if isinstance(values, dict):
                _check_distribution(param, values, self.method)
            elif not isinstance(values, list) or not values:
                raise ValueError(f"{param}: give a list of values to try, got {values!r}")
        return self


def _check_distribution(param: str, values: dict[str, Any], method: str) -> None:
    if method == "grid":
        raise ValueError(f"{param}: a grid takes lists; for a distribution use `method: random`")
    if len(values) != 1 or next(iter(values)) not in {"uniform", "loguniform", "integers"}:
        raise ValueError(f"{param}: expected one of uniform, loguniform, integers with [low, high]")
    kind, bounds = next(iter(values.items()))
    numbers = isinstance(bounds, list) and len(bounds) == 2
    if not numbers or not all(isinstance(b, (int, float)) and math.isfinite(b) for b in bounds):
        raise ValueError(f"{param}: {kind} takes [low, high], got {bounds!r}")
    if bounds[0] >= bounds[1] or (kind == "loguniform" and bounds[0] <= 0):
        raise ValueError(f"{param}: {kind} needs low < high{' and low > 0' if kind == 'loguniform' else ''}")


class _Run(Strict):
    name: Annotated[RegistryName, Field(max_length=100)]
    params: dict[str, ParamValue] = Field(default_factory=dict)
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] | None = None
    threads: Annotated[int, Field(ge=1, le=1024)] = 1


class SklearnRun(_Run):
    """An estimator or pipeline with scikit-learn's interface, by dotted path."""

    trainer: Literal["sklearn"]
    estimator: DottedPath
    search: Search | None = None


class PythonRun(_Run):
    """The user's own function, as ``module:function``."""

    trainer: Literal["python"]
    function: FunctionPath


Run = Annotated[SklearnRun | PythonRun, Field(discriminator="trainer")]


def _not_empty(value: Any) -> Any:
    if value is None or value == []:
        raise ValueError("there is nothing to run; give at least one run")
    return value


class ExperimentConfig(Strict):
    """``experiment.yaml``: one data set, one holdout, the candidates."""

    experiment: RegistryName
    model: RegistryName | None = None
    data: Data
    metric: MetricName | None = None
    runs: Annotated[tuple[Run, ...], BeforeValidator(_not_empty), Field(json_schema_extra={"minItems": 1})]

    @property
    def model_name(self) -> str:
        """The registered model's name."""
        return self.model or self.experiment

    @model_validator(mode="after")
    def _names_are_unique(self) -> ExperimentConfig:
        twice = [name for name, times in Counter(run.name for run in self.runs).items() if times > 1]
        if twice:
            raise ValueError(f"run names stand twice: {', '.join(twice)}; each needs its own")
        return self


def load_experiment(path: Path, name: str | None = None) -> tuple[ExperimentConfig, YamlSource]:
    """Read and check an ``experiment.yaml``; the source gives lines to later checks.

    Raises:
        UsageError: It cannot be read.
        ConfigError: It has mistakes; all of them are named.
    """
    source = read_yaml(path, name)
    return validate(ExperimentConfig, source), source
