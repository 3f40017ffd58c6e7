"""Converts Arrow tables to frames without changing any value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlpipes_cli.data.arrow import to_frame
from mlpipes_cli.data.csv_files.numbers import EXACT

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def plain(table: pa.Table, start: int = 0) -> pd.DataFrame:
    """Convert a table as pandas does, but durations to seconds, and integers exactly.

    Args:
        table: The table, or some rows of one.
        start: The rows of the table before these.
    """
    import pandas as pd
    import pyarrow as pa

    frame = to_frame(table, start)
    for position, field in enumerate(table.schema):
        if field.name not in frame.columns:
            continue  # pandas' unnamed index
        if pa.types.is_duration(field.type):
            frame[field.name] = frame[field.name].dt.total_seconds()
        elif pa.types.is_integer(field.type) and _would_round(table.column(position)):
            whole = table.column(position).to_pylist()
            frame[field.name] = pd.Series(whole, dtype=object, index=frame.index)
    return frame


def _would_round(column: pa.ChunkedArray) -> bool:
    import pyarrow.compute as pc

    if not column.null_count or column.null_count == len(column):
        return False
    ends = pc.min_max(column).as_py()
    return bool(max(abs(ends["min"]), abs(ends["max"])) > EXACT)
