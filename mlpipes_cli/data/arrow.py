"""From Arrow's tables, as Parquet holds them, to frames."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    import pyarrow as pa


def to_frame(table: pa.Table) -> pd.DataFrame:
    """The table as a frame, with the types that pandas noted in it when it wrote it.

    An index that has a name is a column as others are. A type whose name pandas writes but does not
    read, such as that of a category in ``ArrowDtype``, is left to Arrow.
    """
    frame: pd.DataFrame = table.replace_schema_metadata(_readable(table.schema.metadata)).to_pandas()
    named = any(name is not None for name in frame.index.names)
    return frame.reset_index() if named else frame.reset_index(drop=True)


def _readable(metadata: dict[bytes, bytes] | None) -> dict[bytes, bytes] | None:
    try:
        noted = json.loads((metadata or {})[b"pandas"])
        for column in noted["columns"]:
            if not _is_type(column["numpy_type"]):
                column["numpy_type"] = "object"
        return {**(metadata or {}), b"pandas": json.dumps(noted).encode()}
    except (KeyError, ValueError, TypeError):  # nothing of pandas, or nothing that it wrote
        return metadata


def _is_type(name: str) -> bool:
    try:
        pd.api.types.pandas_dtype(name)
    except (TypeError, ValueError, NotImplementedError):
        return False
    return True
