"""The typed ``search`` of a run."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from mlpipes_cli.config.base import MetricName, Strict


class Search(Strict):
    """Hyperparameter search by cross-validation, on rows put aside, or on a data set's validation rows."""

    method: Literal["grid", "random", "optuna"] = Field(
        default="grid", description="How combinations are chosen: all of the lists, at random, or by Optuna."
    )
    iterations: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=20, description="How many combinations `random` and `optuna` try."
    )
    seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        default=None, description="The time budget of the whole search, in seconds."
    )
    folds: Annotated[int, Field(ge=2, le=50)] | None = Field(
        default=None,
        description="Cross-validate on so many folds of the training rows; left out, the validation rows"
        " of a data set judge, else 5 folds.",
    )
    validation: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        default=None, description="Instead of folds: the share of the training rows that judges."
    )
    pruning: Literal["median", "none"] = Field(
        default="none", description="With `optuna`: stop trials that do worse than the median of the others."
    )
    metric: MetricName | None = Field(
        default=None, description="What is optimised; left out, the experiment's metric."
    )
    space: Annotated[dict[str, Any], Field(min_length=1)] = Field(
        description="For each param a list of values, or `{uniform: [low, high]}`, `{loguniform:"
        " [low, high]}`, `{integers: [low, high]}`."
    )

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
        if not isinstance(value, dict):
            return value
        if "space" not in value:
            if known := [
                name for name in value if name in cls.model_fields and not isinstance(value[name], list)
            ]:
                raise ValueError(f"{known[0]!r} needs a `space` next to it: parameters and the values to try")
            value = {"space": value}
        given = [name for name in ("folds", "validation") if value.get(name) is not None]
        if len(given) == 2:
            raise ValueError("give either `folds` or `validation`, not both")
        return value

    @model_validator(mode="after")
    def _values_fit_the_method(self) -> Search:
        if self.pruning == "median" and self.method != "optuna":
            raise ValueError("`pruning: median` needs `method: optuna`")
        for param, values in self.space.items():
            if isinstance(values, dict):
                _check_distribution(param, values, self.method)
            elif not isinstance(values, list) or not values:
                raise ValueError(f"{param}: give a list of values to try, got {values!r}")
        return self


def tried(values: Any) -> list[Any]:
    """Of a param in a space: all values of its list, or one that its distribution could draw."""
    if isinstance(values, list):
        return values
    ((kind, (low, high)),) = values.items()
    if kind == "integers":
        return [math.ceil(low)]
    inside = low + (high - low) * 0.6180339887  # most likely not a whole number, as the draws are not
    return [inside]


def _check_distribution(param: str, values: dict[str, Any], method: str) -> None:
    if method == "grid":
        raise ValueError(
            f"{param}: a grid search needs a list; for a distribution use `method: random` or `optuna`"
        )
    if len(values) != 1 or next(iter(values)) not in {"uniform", "loguniform", "integers"}:
        raise ValueError(f"{param}: expected one of uniform, loguniform, integers with [low, high]")
    kind, bounds = next(iter(values.items()))
    numbers = isinstance(bounds, list) and len(bounds) == 2
    if not numbers or not all(isinstance(b, (int, float)) and math.isfinite(b) for b in bounds):
        raise ValueError(f"{param}: {kind} needs [low, high], got {bounds!r}")
    if kind == "integers" and any(bound != int(bound) for bound in bounds):
        raise ValueError(f"{param}: `integers` needs whole numbers, got {bounds!r}")
    if bounds[0] >= bounds[1] or (kind == "loguniform" and bounds[0] <= 0):
        raise ValueError(f"{param}: {kind} needs low < high{' and low > 0' if kind == 'loguniform' else ''}")
