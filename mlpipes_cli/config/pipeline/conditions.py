"""``when:``: whether a step runs, by how an earlier one ended or by a value of its result."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StrictBool, StrictFloat, StrictInt, StrictStr, model_validator

from mlpipes_cli.config.base import Strict

ExitCode = Annotated[int, Field(ge=0, le=255, strict=True)]
StepName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,62}$")]
Scalar = StrictBool | StrictInt | StrictFloat | StrictStr
Number = Annotated[float, Field(allow_inf_nan=False)]
COMPARISONS = ("equals", "differs", "above", "below", "at_least", "at_most")


def _a_list(value: Any) -> Any:
    return value if isinstance(value, (list, tuple)) else [value]


class Condition(Strict):
    """One condition: the exit code, the status or a value of the result of an earlier step."""

    step: StepName = Field(description="The earlier step; it has to end before this one.")
    exit: Annotated[tuple[ExitCode, ...], BeforeValidator(_a_list)] | None = Field(
        default=None, description="The exit code of that step, or several of them."
    )
    status: Literal["done", "failed", "refused"] | None = Field(
        default=None,
        description="How that step ended: `refused` is exit code 3 that `allow` does not list, `failed` any"
        " other that it does not list.",
    )
    value: Annotated[str, Field(pattern=r"^[^.\s]+(\.[^.\s]+)*$", max_length=200)] | None = Field(
        default=None,
        description="A value of the JSON that the step printed, by its keys and positions: `splits.train`.",
    )
    equals: Scalar | None = Field(default=None, description="With `value`: it is this.")
    differs: Scalar | None = Field(default=None, description="With `value`: it is not this.")
    above: Number | None = Field(default=None, description="With `value`: a number greater than this.")
    below: Number | None = Field(default=None, description="With `value`: a number less than this.")
    at_least: Number | None = Field(default=None, description="With `value`: a number not less than this.")
    at_most: Number | None = Field(default=None, description="With `value`: a number not greater than this.")

    @model_validator(mode="after")
    def _asks_for_something(self) -> Condition:
        asked = [name for name in ("exit", "status", "value") if getattr(self, name) is not None]
        if len(asked) != 1:
            raise ValueError("a condition needs one of `exit`, `status` and `value`")
        if bool(self.comparisons) != (self.value is not None):
            known = ", ".join(f"`{name}`" for name in COMPARISONS)
            raise ValueError(f"`value` needs a comparison, and a comparison needs `value`: {known}")
        return self

    @property
    def comparisons(self) -> dict[str, bool | int | float | str]:
        """The comparisons that are given; all of them have to hold."""
        given = {name: getattr(self, name) for name in COMPARISONS}
        return {name: value for name, value in given.items() if value is not None}


Conditions = Annotated[tuple[Condition, ...], Field(max_length=20), BeforeValidator(_a_list)]
