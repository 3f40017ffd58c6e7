"""Checks of a whole raw table, as ``dataset.yaml`` lists them."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from mlpipes_cli.config.base import Strict
from mlpipes_cli.config.experiment import Column
from mlpipes_cli.config.spans import Span


def one_statement(text: str) -> str:
    """Return SQL without the semicolon at its end; PostgreSQL itself refuses a second statement.

    Raises:
        ValueError: There is no statement.
    """
    plain = text.strip().removesuffix(";").strip()
    if not plain:
        raise ValueError("there is no SQL")
    return plain


Sql = Annotated[str, AfterValidator(one_statement)]
Columns = Annotated[
    tuple[Column, ...],
    BeforeValidator(lambda value: [value] if isinstance(value, (str, int)) else value),
    Field(min_length=1),
]


class Rows(Strict):
    """Bounds on the number of rows."""

    min: Annotated[int, Field(ge=0)] | None = Field(default=None, description="The fewest rows.")
    max: Annotated[int, Field(ge=0)] | None = Field(default=None, description="The most rows.")

    @model_validator(mode="after")
    def _a_range(self) -> Rows:
        if self.min is None and self.max is None:
            raise ValueError("give `min`, `max` or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"`min` ({self.min}) is above `max` ({self.max})")
        return self


class Fresh(Strict):
    """How old the newest row may be."""

    column: Column = Field(description="A column of dates or moments (UTC).")
    within: Span = Field(description="The most time since its latest value: 12h, 7d.")


class Check(Strict):
    """A check of the whole table: exactly one of ``rows``, ``unique``, ``relation``, ``sql``, ``fresh``."""

    name: str | None = Field(default=None, description="What reports call the check.")
    rows: Rows | None = Field(default=None, description="Bounds on the number of rows.")
    unique: Columns | None = Field(
        default=None, description="Columns whose values, together, are in one row at most."
    )
    relation: Sql | None = Field(
        default=None,
        description="An SQL condition that holds in each row, such as `paid <= owed`; a row where it is"
        " unknown because a value is missing is right.",
    )
    sql: Sql | None = Field(default=None, description="A query; the rows that it returns are wrong.")
    fresh: Fresh | None = Field(default=None, description="How old the newest row may be.")

    @model_validator(mode="after")
    def _one_kind(self) -> Check:
        one_key(self, "name")
        return self

    @property
    def kind(self) -> str:
        """Which check it is: the name of its key."""
        return one_key(self, "name")


def one_key(model: Strict, *ignored: str) -> str:
    """Return the one key that is set in a model whose keys exclude each other.

    Args:
        model: The model.
        beside: Keys that may be set as well.

    Raises:
        ValueError: None or several are set.
    """
    keys = [name for name in type(model).model_fields if name not in ignored]
    found = [name for name in keys if getattr(model, name) is not None]
    if len(found) != 1:
        got = f"; got {' and '.join(found)}" if found else ""
        raise ValueError(f"expected exactly one of {', '.join(keys)}{got}")
    return found[0]
