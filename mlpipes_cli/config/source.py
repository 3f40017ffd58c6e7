"""Where rows come from: the ``source`` of an experiment and of a data set."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from mlpipes_cli.config.base import Strict
from mlpipes_cli.config.dataset.reference import dataset_reference


def _function(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", text):
        raise ValueError(f"{text!r}: expected module:function, such as my_steps:clean")
    return text


FunctionName = Annotated[str, AfterValidator(_function)]


class QuerySource(Strict):
    """A table or a query of a database.

    ``url`` may name an environment variable as ``$NAME``, so that no password stands in the file.
    """

    table: str | None = Field(
        default=None, description="The table, as NAME or SCHEMA.NAME; either this or `query`."
    )
    query: str | None = Field(
        default=None, description="One statement that returns rows; either this or `table`."
    )
    url: str | None = Field(
        default=None,
        description="The URL of the database, as SQLAlchemy takes it; left out, the project's own."
        " `$NAME` is taken from the environment.",
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> QuerySource:
        if (self.table is None) == (self.query is None):
            raise ValueError("give either `table` or `query`, not both")
        return self


class FunctionSource(Strict):
    """A function of the project's own."""

    function: FunctionName = Field(
        description="module:function of the project's folder; returns a pandas frame, or yields several."
    )


def _kind_of_source(value: Any) -> str:
    """Return the tag; it is no key of the value, which would look like a location in the file."""
    if isinstance(value, (list, tuple)):
        return "list"
    if isinstance(value, FunctionSource) or (isinstance(value, dict) and "function" in value):
        return "a function"
    return "a query" if isinstance(value, (dict, QuerySource)) else "text"


def _dataset_is_named(source: str) -> str:
    dataset_reference(source)
    return source


_Text = Annotated[str, Field(min_length=1), AfterValidator(_dataset_is_named)]
Source = Annotated[
    Annotated[_Text, Tag("text")]
    | Annotated[tuple[_Text, ...], Field(min_length=1), Tag("list")]
    | Annotated[QuerySource, Tag("a query")]
    | Annotated[FunctionSource, Tag("a function")],
    Discriminator(_kind_of_source),
]


def texts(source: Any) -> tuple[str, ...]:
    """Return the paths and addresses that a source names; none for a query or a function."""
    return (source,) if isinstance(source, str) else source if isinstance(source, tuple) else ()
