"""The typed ``runs`` of an ``experiment.yaml``: one class for each trainer of ours, one for all others."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from mlpipes_cli import trainer_registry
from mlpipes_cli.config.base import RegistryName, Strict
from mlpipes_cli.config.h2o import H2OAutoMLParams
from mlpipes_cli.config.networks import (
    INSIDE_KERAS,
    INSIDE_TORCH,
    Checked,
    KerasParams,
    Named,
    TorchParams,
)
from mlpipes_cli.config.pycaret import PycaretParams
from mlpipes_cli.config.search import Search, tried
from mlpipes_cli.config.sizes import Size
from mlpipes_cli.config.spark import SparkEstimator, SparkMaster
from mlpipes_cli.config.threshold import Threshold
from mlpipes_cli.sizes import size
from mlpipes_cli.suggest import did_you_mean

__all__ = ["AnyRun", "Run", "size"]

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
            told = first_one["msg"].removeprefix("Value error, ")
            return f"{told[:1].lower()}{told[1:]}"
        said = type(self).model_fields["params"].metadata
        known = [field for item in said if isinstance(item, Checked) for field in item.model.model_fields]
        return f"{self.trainer} has no parameter {name!r}{did_you_mean(name, known)}"

    @property
    def trains(self) -> str:
        """What is trained, for people: the estimator, the function, the trainer's own word."""
        for name in ("estimator", "function", "module"):
            if isinstance(value := getattr(self, name, None), str):
                return value
        return self.trainer


class SklearnRun(Run):
    """An estimator or pipeline with scikit-learn's interface, by dotted path."""

    trainer: Literal["sklearn"] = Field(description="Any estimator with scikit-learn's interface.")
    estimator: DottedPath = Field(description="The dotted path of the class.")


class PythonRun(Run):
    """The user's own function, as ``module:function``."""

    trainer: Literal["python"] = Field(description="A function of yours.")
    function: FunctionPath = Field(
        description="The function that trains and returns a model, as module:function."
    )


class H2OAutoMLRun(Run):
    """H2O AutoML, in a Java process of its own or on a cluster that runs already."""

    trainer: Literal["h2o_automl"] = Field(description="H2O AutoML.")
    params: Annotated[dict[str, Any], Checked(H2OAutoMLParams)] = Field(
        default_factory=dict, description="The params of AutoML, by the names of H2O."
    )
    cluster: Annotated[str, Field(pattern=r"^https?://[^\s/@]+(/\S*)?$")] | None = Field(
        default=None, description="The URL of an H2O cluster that runs already."
    )

    @model_validator(mode="after")
    def _java_fits_into_the_run(self) -> H2OAutoMLRun:
        heap = self.params.get("max_mem_size")
        memory = None if self.resources is None else self.resources.memory
        if heap is not None and self.cluster is not None:
            raise ValueError("max_mem_size has no effect with `url`: the cluster has its own memory")
        if heap is not None and memory is not None and size(heap) >= size(memory):
            raise ValueError(f"max_mem_size: {heap} must be less than the run's memory, {memory}")
        return self


class PycaretRun(Run):
    """PyCaret's comparison of models; each of the best is a run of its own."""

    trainer: Literal["pycaret"] = Field(description="PyCaret's comparison.")
    params: Annotated[dict[str, Any], Checked(PycaretParams)] = Field(
        default_factory=dict, description="The options of PyCaret."
    )


class SparkRun(Run):
    """An estimator of Spark ML, by name or dotted path, in this process or on a cluster."""

    trainer: Literal["spark"] = Field(description="Spark ML.")
    estimator: SparkEstimator = Field(description="A short name, a class of Spark ML, or a dotted path.")
    master: SparkMaster | None = Field(
        default=None, description="The cluster, such as spark://host:7077, or local[2]."
    )


class KerasRun(Run):
    """A Keras model: layers, or the user's function that returns a model."""

    trainer: Literal["keras"] = Field(description="A Keras model.")
    layers: Annotated[tuple[Named, ...], Field(min_length=1)] | None = Field(
        default=None, description="The layers, one after the other; either this or `function`."
    )
    output: bool | None = Field(
        default=None, description="With `layers`: add the output layer that the target needs."
    )
    function: FunctionPath | None = Field(
        default=None,
        description="A function that returns a Keras model, as module:function; either this or `layers`.",
    )
    params: Annotated[dict[str, Any], Checked(KerasParams, INSIDE_KERAS)] = Field(
        default_factory=dict, description="How the network is trained."
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> KerasRun:
        if (self.layers is None) == (self.function is None):
            raise ValueError("give either `layers` or `function`, not both")
        for name, value in (("output", self.output), ("params: function", self.params.get("function"))):
            wanted = "layers" if name == "output" else "function"
            if value is not None and getattr(self, wanted) is None:
                raise ValueError(f"`{name}` is only valid with `{wanted}`")
        return self


class TorchRun(Run):
    """The user's ``torch.nn.Module``, in a plain training loop."""

    trainer: Literal["torch"] = Field(description="A PyTorch module.")
    module: FunctionPath = Field(description="A class, or a function that returns a module, as module:name.")
    params: Annotated[dict[str, Any], Checked(TorchParams, INSIDE_TORCH)] = Field(
        default_factory=dict, description="How the network is trained."
    )


class OtherRun(Run):
    """A trainer of another package, found by its entry point; it checks what else stands here."""

    model_config = ConfigDict(extra="allow")


def _kind(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    """Return a run of a trainer that another package brings, or of one of ours."""
    name = value.get("trainer") if isinstance(value, dict) else None
    if isinstance(name, str) and name not in trainer_registry.BUILT_IN and trainer_registry.find(name):
        return OtherRun.model_validate(value)
    return handler(value)


_Ours = Annotated[
    SklearnRun | PythonRun | H2OAutoMLRun | PycaretRun | SparkRun | KerasRun | TorchRun,
    Field(discriminator="trainer"),
]
AnyRun = Annotated[_Ours, WrapValidator(_kind)]
