"""Steps that clean the rows of a data set, as ``dataset.yaml`` lists them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from mlpipes_cli.config.base import Strict
from mlpipes_cli.config.dataset.checks import Columns, Sql, one_key
from mlpipes_cli.config.dataset.columns import ColumnType, StoredName
from mlpipes_cli.config.dataset.values import Value
from mlpipes_cli.config.experiment import Column
from mlpipes_cli.config.source import FunctionName

LEARNED = ("median", "mean", "most_frequent")


class Constant(Strict):
    """A fixed value; for texts that would be taken for a statistic."""

    constant: Value = Field(description="The value that fills gaps.")


def _filling(value: Any) -> Any:
    if value is None or isinstance(value, list):
        raise ValueError("expected median, mean, most_frequent, a value, or {constant: VALUE}")
    return value


Filling = Annotated[
    Constant | Literal["median", "mean", "most_frequent"] | Value,
    BeforeValidator(_filling),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": list(LEARNED)},
                {"type": ["string", "number", "boolean"]},
                {
                    "type": "object",
                    "properties": {
                        "constant": {
                            "type": ["string", "number", "boolean"],
                            "description": "The value that fills gaps.",
                        }
                    },
                    "required": ["constant"],
                    "additionalProperties": False,
                },
            ]
        }
    ),
]


class Clip(Strict):
    """Bounds of a column: fixed ones, or quantiles of the training rows."""

    min: float | None = Field(default=None, description="Smaller values become this one.")
    max: float | None = Field(default=None, description="Larger values become this one.")
    quantiles: tuple[float, float] | None = Field(
        default=None,
        description="The bounds as quantiles of the training rows, such as [0.01, 0.99].",
    )

    @model_validator(mode="after")
    def _bounds(self) -> Clip:
        if (self.quantiles is None) == (self.min is None and self.max is None):
            raise ValueError("give either `quantiles`, or `min`, `max` or both")
        low, high = self.quantiles or (0.0, 1.0)
        if not 0.0 <= low < high <= 1.0:
            raise ValueError(f"`quantiles` need 0 <= low < high <= 1, got [{low}, {high}]")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"`min` ({self.min}) is above `max` ({self.max})")
        return self


NotEmpty = Field(min_length=1)


class Step(Strict):
    """A step: exactly one key. Steps run in order, on the rows that the step before leaves."""

    rename: Annotated[dict[Column, StoredName], NotEmpty] | None = Field(
        default=None, description="New names of columns, by the old ones."
    )
    cast: Annotated[dict[Column, ColumnType], NotEmpty] | None = Field(
        default=None, description="New types of columns; a value that does not fit is an error."
    )
    fill: Annotated[dict[Column, Filling], NotEmpty] | None = Field(
        default=None,
        description="What fills gaps, by column: median, mean or most_frequent of the training rows, a"
        " value, or {constant: VALUE}.",
    )
    clip: Annotated[dict[Column, Clip], NotEmpty] | None = Field(
        default=None, description="Bounds of columns; values beyond become the bound."
    )
    where: Sql | None = Field(
        default=None, description="An SQL condition; rows where it is false or unknown are left out."
    )
    derive: Annotated[dict[StoredName, Sql], NotEmpty] | None = Field(
        default=None, description="New columns by SQL expressions over the columns of the same row."
    )
    drop: Columns | None = Field(default=None, description="Columns that are left out from here on.")
    deduplicate: Literal["all"] | Columns | None = Field(
        default=None,
        description="Keep the last loaded of the rows that are the same in these columns, or in `all`.",
    )
    sql: Sql | None = Field(
        default=None,
        description="A query over the table `input`, or the path of a .sql file with one; the next step gets"
        " its rows.",
    )
    function: FunctionName | None = Field(
        default=None,
        description="module:function of the project's folder: takes the rows as a pandas frame, returns one.",
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Step:
        one_key(self)
        return self

    @property
    def kind(self) -> str:
        """Which step it is: the name of its key."""
        return one_key(self)
