"""Results in the form of a table, as a pandas DataFrame."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


class Tabular:
    """A result that is shown as a table."""

    def table(self) -> Iterable[object]:
        """Return the rows: dataclasses or mappings."""
        raise NotImplementedError

    def frame(self) -> pd.DataFrame:
        """Return the rows as a DataFrame, in the order in which the command line shows them.

        A mapping becomes a column for each of its keys, as ``metrics.ks``, named as in MLflow's
        ``search_runs``. An interval stays a pair.
        """
        import pandas as pd

        return pd.DataFrame([_flat(row) for row in self.table()])


class TableRows(list[Any], Tabular):
    """A list of results that is also a table.

    Args:
        rows: Dataclasses of one class.
        kind: The class, which gives the table its columns if there are no rows.
    """

    def __init__(self, rows: Iterable[object], kind: type) -> None:
        super().__init__(rows)
        self._kind = kind

    def table(self) -> Sequence[object]:
        return self

    def frame(self) -> pd.DataFrame:
        import pandas as pd

        if self:
            return super().frame()
        return pd.DataFrame(columns=[field.name for field in dataclasses.fields(self._kind)])


def _flat(row: object) -> dict[str, Any]:
    if dataclasses.is_dataclass(row):
        row = {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}
    assert isinstance(row, Mapping)
    found: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            found |= {f"{name}.{key}": item for key, item in value.items()}
        else:
            found[str(name)] = value
    return found
