"""What is known of a raw table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg2 import sql

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports.data_sets.datasets import TableColumn
from mlpipes_cli.suggest import did_you_mean

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor


@dataclass(frozen=True)
class LoadedTable:
    """The raw table of a data set.

    Attributes:
        dataset: The data set's name.
        load: The newest load.
        columns: Its columns without those that mlpipes adds.
    """

    dataset: str
    load: int
    columns: Sequence[TableColumn]

    @property
    def name(self) -> sql.Identifier:
        """The table, for statements."""
        return sql.Identifier("raw_data", self.dataset)

    @property
    def types(self) -> dict[str, str]:
        """The type of each column."""
        return {column.name: column.type for column in self.columns}


def read(cursor: Cursor, dataset: str, file: str = "") -> LoadedTable:
    """Return the raw table of a data set.

    Args:
        cursor: Of a transaction.
        dataset: The data set.
        file: The file that describes it, for messages.

    Raises:
        MlpipesError: Nothing was loaded yet.
    """
    cursor.execute(
        "select id, columns from raw_data._loads where dataset = %s order by id desc limit 1", (dataset,)
    )
    found = cursor.fetchone()
    cursor.execute("select to_regclass(%s)", (f'raw_data."{dataset}"',))
    there = cursor.fetchone()
    if found is None or there is None or there[0] is None:
        command = " ".join(["mlpipes data load", *([file] if file not in ("", "dataset.yaml") else [])])
        cursor.execute("select distinct dataset from raw_data._loads order by dataset")
        near = did_you_mean(dataset, [name for (name,) in cursor.fetchall() if name != dataset])
        raise MlpipesError(f"the data set {dataset!r} has no rows yet{near}", f"run `{command}` first")
    return LoadedTable(dataset, found[0], columns_of(found[1]))


def columns_of(stored: Sequence[dict[str, Any]]) -> tuple[TableColumn, ...]:
    """Return columns from their record."""
    return tuple(TableColumn(column["name"], column["type"], column.get("source")) for column in stored)
