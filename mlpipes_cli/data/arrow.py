"""Converts Arrow tables, such as Parquet files hold, to pandas frames."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

_FIRST, _END = -719_162, 2_932_897  # the days of 0001-01-01 and 10000-01-01 since 1970
_A_DAY = {  # by the type's name; nanoseconds reach from 1677 to 2262 only
    "date32[day": 1,
    "date64[ms": 86_400_000,
    "timestamp[s": 86_400,
    "timestamp[ms": 86_400_000,
    "timestamp[us": 86_400_000_000,
}

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


class NotConvertible(ValueError):
    """A table holds values that have no place in a frame; the text is one line that names the column."""


def to_frame(table: pa.Table, start: int = 0) -> pd.DataFrame:
    """Convert the table to a frame with the types that pandas recorded in the table when it wrote it.

    A named index becomes an ordinary column. The types of ``ArrowDtype``, some of which pandas
    writes but does not read, and whose dates and times have no time zone attribute, become those of NumPy.

    Args:
        table: The table, or some rows of one.
        start: The rows of the table before these.

    Raises:
        NotConvertible: A date is before the year 1 or after 9999, which no text can express.
    """
    _check_years(table)
    table = _with_range(table, start)
    frame: pd.DataFrame = table.replace_schema_metadata(_readable(table.schema.metadata)).to_pandas()
    named = any(name is not None for name in frame.index.names)
    return frame.reset_index() if named else frame.reset_index(drop=True)


def _check_years(table: pa.Table) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    for name, column in zip(table.column_names, table.columns, strict=True):
        a_day = _A_DAY.get(str(column.type).partition(",")[0].rstrip("]"))
        if a_day is None:
            continue
        width = pa.int32() if pa.types.is_date32(column.type) else pa.int64()
        ends = pc.min_max(column.cast(width)).as_py()
        if ends["min"] is not None and not _FIRST * a_day <= ends["min"] <= ends["max"] < _END * a_day:
            raise NotConvertible(f"column {name!r} has a date before the year 1 or after the year 9999")


def named_range(metadata: dict[bytes, bytes] | None) -> tuple[str, int, int] | None:
    """Return the name, first number and step of an index that pandas notes and does not store; else None."""
    try:
        index = json.loads((metadata or {})[b"pandas"])["index_columns"]
        (found,) = [(one["name"], one["start"], one["step"]) for one in index if one["kind"] == "range"]
    except (LookupError, ValueError, TypeError):
        return None
    return found if isinstance(found[0], str) else None


def _with_range(table: pa.Table, start: int) -> pa.Table:
    import numpy as np
    import pyarrow as pa

    found = named_range(table.schema.metadata)
    if found is None or found[0] in table.column_names:
        return table
    name, first, step = found
    noted = json.loads(table.schema.metadata[b"pandas"]) | {"index_columns": []}
    numbers = pa.array(first + step * np.arange(start, start + len(table)))
    plain = table.replace_schema_metadata({**table.schema.metadata, b"pandas": json.dumps(noted).encode()})
    return plain.add_column(0, name, numbers)


def _readable(metadata: dict[bytes, bytes] | None) -> dict[bytes, bytes] | None:
    try:
        noted = json.loads((metadata or {})[b"pandas"])
        for column in noted["columns"]:
            if column["numpy_type"].endswith("[pyarrow]"):
                column["numpy_type"] = "object"
        return {**(metadata or {}), b"pandas": json.dumps(noted).encode()}
    except (
        LookupError,
        ValueError,
        TypeError,
        AttributeError,
    ):  # no pandas metadata, or none that pandas wrote
        return metadata
