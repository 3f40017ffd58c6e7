"""The typed run of ``trainer: h2o_automl``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from mlpipes_cli.config.base import Strict
from mlpipes_cli.config.checked import Checked
from mlpipes_cli.config.runs import Run
from mlpipes_cli.config.sizes import Size
from mlpipes_cli.sizes import size

Algorithm = Literal["DRF", "GLM", "XGBoost", "GBM", "DeepLearning", "StackedEnsemble"]
SortMetric = Literal[
    "AUTO", "deviance", "logloss", "MSE", "RMSE", "MAE", "RMSLE", "AUC", "AUCPR", "mean_per_class_error"
]
StoppingMetric = Literal[
    "AUTO", "deviance", "logloss", "MSE", "RMSE", "MAE", "RMSLE", "AUC", "AUCPR", "lift_top_group",
    "misclassification", "mean_per_class_error",
]  # fmt: skip


def _as_h2o_writes_it(known: Any) -> BeforeValidator:
    names = {name.lower(): name for name in known.__args__}

    def spell(value: Any) -> Any:
        return names.get(value.lower(), value) if isinstance(value, str) else value

    return BeforeValidator(spell)


Algorithms = tuple[Annotated[Algorithm, _as_h2o_writes_it(Algorithm)], ...]
Count = Annotated[int, Field(ge=1, le=100_000)]
Seconds = Annotated[int, Field(ge=1, le=10_000_000)]  # H2O refuses 60.0


class H2OAutoMLParams(Strict):
    """The settings of AutoML; the names are H2O's."""

    max_models: Count | None = Field(
        default=None, description="The most models, without ensembles; 10 where no limit is given."
    )
    max_runtime_secs: Seconds | None = Field(
        default=None, description="The time limit of the whole run, in seconds."
    )
    max_runtime_secs_per_model: Seconds | None = Field(
        default=None, description="The time limit of a model, in seconds."
    )
    max_mem_size: Size | None = Field(
        default=None,
        description="The heap of Java; left out, 60 % of the run's memory, else a quarter of the machine's.",
    )
    nfolds: Annotated[int, Field(ge=-1, le=100)] = Field(
        default=5, description="Folds of the cross-validation; 0 for none, -1 lets H2O decide."
    )
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] | None = Field(
        default=None, description="The seed; left out, the run's."
    )
    sort_metric: Annotated[SortMetric, _as_h2o_writes_it(SortMetric)] = Field(
        default="AUTO", description="The metric that decides which model is the best."
    )
    include_algos: Annotated[Algorithms, Field(min_length=1)] | None = Field(
        default=None, description="The only algorithms to try."
    )
    exclude_algos: Algorithms | None = Field(
        default=None,
        description="Algorithms to leave out; DeepLearning is left out unless algorithms are named.",
    )
    balance_classes: bool = Field(default=False, description="Balance the classes by sampling.")
    stopping_rounds: Annotated[int, Field(ge=0, le=1000)] = Field(
        default=3, description="Stop when so many rounds bring no improvement; 0 never stops early."
    )
    stopping_metric: Annotated[StoppingMetric, _as_h2o_writes_it(StoppingMetric)] = Field(
        default="AUTO", description="The metric of early stopping."
    )
    stopping_tolerance: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        default=None, description="The relative improvement that counts for early stopping."
    )

    @model_validator(mode="after")
    def _fit_together(self) -> H2OAutoMLParams:
        if self.include_algos is not None and self.exclude_algos is not None:
            raise ValueError("give either `include_algos` or `exclude_algos`, not both")
        if self.nfolds == 1:
            raise ValueError("nfolds: 1 is not valid; use 0 for no folds, or at least 2")
        return self


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

    def memory_limits(self) -> list[tuple[tuple[str, ...], str | int]]:
        """Add the heap of Java, unless a cluster has it."""
        heap = self.params.get("max_mem_size")
        own = [] if heap is None or self.cluster else [(("params", "max_mem_size"), heap)]
        return [*super().memory_limits(), *own]
