"""Converts Arrow tables, such as Parquet files hold, to pandas frames."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def to_frame(table: pa.Table) -> pd.DataFrame:
    """Convert the table to a frame with the types that pandas recorded in the table when it wrote it.

    A named index becomes an ordinary column. The types of ``ArrowDtype``, some of which pandas
    writes but does not read, and whose dates and times have no time zone attribute, become those of NumPy.
    """
    frame: pd.DataFrame = table.replace_schema_metadata(_readable(table.schema.metadata)).to_pandas()
    named = any(name is not None for name in frame.index.names)
    return frame.reset_index() if named else frame.reset_index(drop=True)


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
