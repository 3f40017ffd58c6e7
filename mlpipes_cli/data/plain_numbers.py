"""Convert columns of plain numbers all at once, as :mod:`mlpipes_cli.data.conversion` converts each of them.

Each column that pandas handles takes tens of microseconds, so a row of thirty numbers took milliseconds.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlpipes_cli.data.formats import Formats

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_KINDS = "iufb"
_CELLS = 100_000  # texts that may be objects at the same time; column by column they take less memory


def plain_numbers(
    table: pd.DataFrame, doubles: Collection[str], formats: Formats, *, cells: bool = False
) -> tuple[list[str], Floats]:
    """Return the names of converted columns, in the table's order, and their values: (rows, names).

    Columns whose values need a closer look are left out: texts that are no numbers, infinite numbers, and all
    columns if a number means a missing value.

    Args:
        table: The table as received.
        doubles: The model's columns of the type ``double``.
        formats: What the model's training counted as missing.
        cells: Whether the table was a CSV, whose cells are text.
    """
    names: list[str] = []
    few = not cells or table.size <= _CELLS
    if few and not formats.missing and table.columns.is_unique:
        kinds = zip(table.columns, table.dtypes, strict=True)
        names = [name for name, kind in kinds if name in doubles and (cells or _is_plain(kind))]
    chosen = table if len(names) == len(table.columns) else table[names]
    values = _of_cells(chosen) if cells else chosen.to_numpy(dtype=np.float64)
    if values is None or np.isinf(values).any():
        return [], np.empty((len(table), 0))
    return names, values


def _is_plain(kind: Any) -> bool:
    return isinstance(kind, np.dtype) and kind.kind in _KINDS


def _of_cells(table: pd.DataFrame) -> Floats | None:
    """Return the numbers of cells; None if one is not a number, or is one to Python alone (``1_000``)."""
    cells = table.to_numpy(dtype=object)
    try:
        texts = "".join(cells.ravel())
        return cells.astype(np.float64) if texts.isascii() and "_" not in texts else None
    except (TypeError, ValueError):  # a missing cell; a text
        return None
