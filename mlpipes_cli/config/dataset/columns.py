"""What ``dataset.yaml`` expects of a raw column."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from mlpipes_cli.config.base import Strict
from mlpipes_cli.config.dataset.values import Bound, Value, check_bounds, check_values
from mlpipes_cli.config.experiment import Column, DateFormat

ColumnType = Literal["integer", "number", "text", "boolean", "date", "datetime"]
_SOME = Field(json_schema_extra={"minItems": 1})
RESERVED = "_"  # the first character of the columns that mlpipes adds
_BYTES = 63  # PostgreSQL cuts longer names


def _stored(name: str) -> str:
    if name.startswith(RESERVED):
        raise ValueError(f"{name!r}: names that begin with '_' are reserved; choose another")
    if not name or len(name.encode()) > _BYTES or "\0" in name:
        raise ValueError(f"{name!r} is not a valid column name: PostgreSQL takes 1 to {_BYTES} bytes")
    return name


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"{text!r} is not a valid regular expression: {error}") from None
    return text


def _some(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if not values:
        raise ValueError("expected at least one value, got []")
    return values


StoredName = Annotated[Column, AfterValidator(_stored)]
Pattern = Annotated[str, Field(min_length=1), AfterValidator(_pattern)]


class ColumnConfig(Strict):
    """A column of the source: its type, its name in the tables, and what its values have to be like."""

    type: ColumnType | None = Field(
        default=None, description="The type of the values; left out, it is inferred when rows are loaded."
    )
    rename: StoredName | None = Field(
        default=None, description="The name in the tables, if not the source's name."
    )
    drop: bool = Field(default=False, description="Leave the column out of the tables.")
    format: DateFormat | None = Field(
        default=None, description="How dates are written, as for strftime: '%d/%m/%Y'."
    )
    min: Bound | None = Field(default=None, description="The smallest value that is right.")
    max: Bound | None = Field(default=None, description="The largest value that is right.")
    values: Annotated[tuple[Value, ...], AfterValidator(_some), _SOME] | None = Field(
        default=None, description="The values that are right; a missing one is counted by `missing`."
    )
    pattern: Pattern | None = Field(
        default=None, description="A regular expression that the whole text has to match."
    )
    unique: bool = Field(default=False, description="Each value is in one row only.")
    missing: Annotated[float, Field(ge=0.0, le=1.0)] | None = Field(
        default=None, description="The largest share of missing values that is right, from 0 to 1."
    )
    description: str | None = Field(default=None, description="What the column means, for readers.")

    @model_validator(mode="after")
    def _fits_together(self) -> ColumnConfig:
        if self.drop and self.model_fields_set - {"drop", "description", "type"}:
            raise ValueError("a column with `drop` must not have another key")
        if self.format is not None and self.type not in {None, "date", "datetime"}:
            raise ValueError(f"`format` is for dates, and the type is {self.type}")
        if self.pattern is not None and self.type not in {None, "text"}:
            raise ValueError(f"`pattern` is for text, and the type is {self.type}")
        if (self.min is not None or self.max is not None) and self.type in {"text", "boolean"}:
            raise ValueError(f"`min` and `max` are for numbers and dates, and the type is {self.type}")
        check_bounds(self.min, self.max, self.type)
        check_values(self.values, self.type)
        return self
