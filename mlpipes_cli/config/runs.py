"""What all ``runs`` of an ``experiment.yaml`` have in common; each trainer adds its own keys."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError, model_validator

from mlpipes_cli.config.base import RegistryName, Strict
from mlpipes_cli.config.checked import Checked
from mlpipes_cli.config.search import Search, tried
from mlpipes_cli.config.sizes import Size
from mlpipes_cli.config.threshold import Threshold
from mlpipes_cli.suggest import did_you_mean

ParamValue = Any


def _dotted(path: str) -> str:
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", path):
        raise ValueError(f"{path!r} is not a dotted path such as sklearn.linear_model.LogisticRegression")
    return path


def _function(path: str) -> str:
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", path):
        raise ValueError(f"{path!r} is not a function path such as my_module:train")
    return path


DottedPath = Annotated[str, AfterValidator(_dotted)]
FunctionPath = Annotated[str, AfterValidator(_function)]


def _python(version: str) -> str:
    if not 10 <= int(version.split(".")[1]) <= 13:
        raise ValueError(f"Python {version} is not supported; use 3.10 to 3.13")
    return version


def _requirement(text: str) -> str:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        Requirement(text)
    except InvalidRequirement:
        raise ValueError(
            f"{text!r} is not a valid requirement such as xgboost>=3 or name @ https://..."
        ) from None
    return text


Folds = Annotated[int, Field(ge=2, le=50)]
PythonVersion = Annotated[str, Field(pattern=r"^3\.\d{1,2}(\.\d{1,3})?$"), AfterValidator(_python)]
Requirement = Annotated[str, Field(min_length=1), AfterValidator(_requirement)]


class Environment(Strict):
    """The environment that a run is trained in and its model is served from."""

    python: PythonVersion | None = Field(
        default=None, description="The version of Python, from 3.10 to 3.13."
    )
    requirements: tuple[Requirement, ...] = Field(
        default=(), description="Packages on top of what the trainer needs, as pip takes them."
    )

    @model_validator(mode="after")
    def _says_something(self) -> Environment:
        if self.python is None and not self.requirements:
            raise ValueError("give `python`, `requirements`, or both")
        return self


class Resources(Strict):
    """What a run may use: processor cores, GPUs, memory of its processes together."""

    cpu: Annotated[int, Field(ge=1, le=1024)] | None = Field(
        default=None, description="How many cores the run may use."
    )
    gpu: Annotated[float, Field(ge=0, le=1024)] | None = Field(
        default=None, description="How many GPUs the run gets; a part of one may be shared."
    )
    memory: Size | None = Field(
        default=None, description="The memory limit of all processes of the run together, such as 4G."
    )


class Run(Strict):
    """What all runs have in common."""

    name: Annotated[RegistryName, Field(max_length=100)] = Field(
        description="The name of the candidate, unique in the file."
    )
    trainer: str = Field(description="The trainer.")
    params: dict[str, ParamValue] = Field(
        default_factory=dict, description="The params of the model, by the names of its library."
    )
    search: Search | None = Field(default=None, description="A search over params.")
    threshold: Threshold | None = Field(
        default=None,
        description="From which score on a row is labelled positive; left out, what the file's "
        "`threshold` says.",
    )
    cross_validate: Literal[False] | Folds | None = Field(
        default=None,
        description="Also cross-validate the run on so many folds of the training rows; left out, what the "
        "file's `cross_validate` says.",
    )
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] | None = Field(
        default=None, description="The seed of the run; left out, the split's."
    )
    threads: Annotated[int, Field(ge=1, le=1024)] | None = Field(
        default=None, description="How many threads the run may use; one unless given."
    )
    environment: Environment | None = Field(
        default=None, description="An environment of its own: another Python, other packages."
    )
    resources: Resources | None = Field(default=None, description="What the run may use.")

    @model_validator(mode="after")
    def _each_value_of_the_search_would_be_a_param(self) -> Run:
        """Each is held against the params as the class has them; those of a list become what these make."""
        if self.search is None:
            return self
        plain = self.model_dump(exclude={"search"}, exclude_unset=True)
        space = {}
        for name, values in self.search.space.items():
            made = [self._as_param(name, value, plain) for value in tried(values)]
            space[name] = made if isinstance(values, list) else values
        # frozen is for others; this is still the making of it
        self.__dict__["search"] = self.search.model_copy(update={"space": space})
        return self

    def _as_param(self, name: str, value: Any, plain: dict[str, Any]) -> Any:
        try:
            run = type(self).model_validate({**plain, "params": {**plain.get("params", {}), name: value}})
        except ValidationError as error:
            raise ValueError(f"search -> {name}: {self._against(name, error)}") from None
        return run.params[name]

    def _against(self, name: str, error: ValidationError) -> str:
        first_one = error.errors()[0]
        if first_one["type"] == "int_from_float":
            return "expected whole numbers; `{integers: [low, high]}` samples them"
        if first_one["type"] != "extra_forbidden":
            message = first_one["msg"].removeprefix("Value error, ")
            return f"{message[:1].lower()}{message[1:]}"
        metadata = type(self).model_fields["params"].metadata
        known = [field for item in metadata if isinstance(item, Checked) for field in item.model.model_fields]
        return f"{self.trainer} has no parameter {name!r}{did_you_mean(name, known)}"

    def memory_limits(self) -> list[tuple[tuple[str, ...], str | int]]:
        """Return the amounts of memory that the run names, and their places in it."""
        given = None if self.resources is None else self.resources.memory
        return [] if given is None else [(("resources", "memory"), given)]
