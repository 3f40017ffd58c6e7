"""Where the rows of an experiment come from: its ``source``."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from mlpipes_cli.config.base import Strict
from mlpipes_cli.config.dataset.reference import dataset_reference


class PostgresSource(Strict):
    """Rows of a Postgres: a table or a query, of the project's own database or another one.

    ``url`` may name an environment variable as ``$NAME``, so that no password stands in the file.
    """

    table: str | None = Field(
        default=None, description="The table, as NAME or SCHEMA.NAME; either this or `query`."
    )
    query: str | None = Field(default=None, description="A query; either this or `table`.")
    url: str | None = Field(
        default=None,
        description="The URL of the database; left out, the project's own. `$NAME` is taken from"
        " the environment.",
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> PostgresSource:
        if (self.table is None) == (self.query is None):
            raise ValueError("give either `table` or `query`, not both")
        return self


def _kind_of_source(value: Any) -> str:
    return "postgres" if isinstance(value, (dict, PostgresSource)) else "text"


def _dataset_is_named(source: str) -> str:
    dataset_reference(source)
    return source


Source = Annotated[
    Annotated[str, AfterValidator(_dataset_is_named), Tag("text")]
    | Annotated[PostgresSource, Tag("postgres")],
    Discriminator(_kind_of_source),
]
