"""Tables of the scoring protocol whose values are left as they came, for the converter to read."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from mlpipes_cli.data import csv_table
from mlpipes_cli.data.arrow import to_frame
from mlpipes_cli.data.columns import twice
from mlpipes_cli.data.header import Unreadable, header_of

if TYPE_CHECKING:
    import pyarrow as pa

FORMS = {"dataframe_records", "dataframe_split", "instances", "inputs"}
FRAMES = {"dataframe_records", "dataframe_split"}


def as_frame(payload: dict[str, Any], names: Sequence[str]) -> dict[str, Any] | None:
    """``inputs`` and ``instances`` of rows as one of the dataframe's forms; those pass as they are.

    None where it is none of these: MLflow's parser says what is wrong with it, or knows what it means.
    """
    given = FORMS & payload.keys()
    if len(given) != 1:
        return None
    (form,) = given
    if form in FRAMES:
        return payload
    table = _table(payload[form], names)
    if table is None:
        return None
    return {**{key: value for key, value in payload.items() if key != form}, **table}


def _table(data: Any, names: Sequence[str]) -> dict[str, Any] | None:
    if isinstance(data, list) and data and all(isinstance(row, dict) for row in data):
        return {"dataframe_records": data}
    if isinstance(data, list) and data and len(names) == 1:
        flat = not any(isinstance(value, (list, dict)) for value in data)
        return {"dataframe_split": {"columns": list(names), "data": [[v] for v in data]}} if flat else None
    if not isinstance(data, dict) or not data:
        return None
    lists = [value for value in data.values() if isinstance(value, list)]
    if not lists:
        return {"dataframe_records": [data]}
    rows = len(lists[0])
    if any(len(value) != rows for value in lists):
        return None
    columns = [value if isinstance(value, list) else [value] * rows for value in data.values()]
    return {
        "dataframe_split": {"columns": list(data), "data": [list(row) for row in zip(*columns, strict=True)]}
    }


def identifiers(framed: Mapping[str, Any], names: Sequence[str]) -> list[Any] | None:
    """The caller's identifiers as they were sent: in a frame, whole numbers beside a missing one are floats.

    Args:
        framed: A document with ``dataframe_split`` or ``dataframe_records``, out of which a frame was made.
        names: Columns that may hold them; the first that is there counts.
    """
    records, split = framed.get("dataframe_records"), framed.get("dataframe_split")
    if isinstance(records, list) and all(isinstance(record, dict) for record in records):
        name = next((name for name in names if any(name in record for record in records)), None)
        return None if name is None else [record.get(name) for record in records]
    columns = split.get("columns") if isinstance(split, dict) else None
    if isinstance(split, dict) and isinstance(columns, list):
        name = next((name for name in names if name in columns), None)
        return None if name is None else [row[columns.index(name)] for row in split["data"]]
    return None


def of_cells(body: bytes) -> pd.DataFrame:
    """A CSV's cells as text, the empty ones too, so that ``007`` stays what it is.

    Raises:
        ValueError: It is none, or a line is not as long as the header; one line.
    """
    try:
        text = body.decode()
        header = header_of(io.BytesIO(body), ",", rows_needed=False)
        _check_bytes(body)
        # Left to itself, pandas takes the first fields of longer lines for an index, and shifts the others.
        frame = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False, index_col=False)
        csv_table.check_lengths(io.BytesIO(body), frame.iloc[:, -1].replace("", None), header)
    except UnicodeDecodeError as error:
        raise ValueError(f"the body is not valid UTF-8 at byte {error.start}") from None
    except Unreadable as error:
        raise ValueError(error.of("the body")) from None
    except (ValueError, OverflowError) as error:  # pandas' own errors are ValueErrors
        line = " ".join(str(error).split())[:120]
        raise ValueError(f"the body is not a valid CSV file with a header ({line})") from None
    return frame


def _check_bytes(body: bytes) -> None:
    """Have a zero byte refused: pandas' parser passes over what follows it in a cell."""
    if b"\0" in body:
        raise Unreadable("is not a CSV file but a binary file")


def of_parquet(body: bytes, identifiers: Sequence[str] = ()) -> pd.DataFrame:
    """A Parquet file's table, with its own types.

    Args:
        body: The file.
        identifiers: Columns whose whole numbers stay whole beside missing ones.

    Raises:
        ValueError: It is none, or a column's name stands twice; one line.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(io.BytesIO(body)).read()
        repeated = twice(table.column_names)
        frame = _with_whole(table, identifiers) if not repeated else None
    except (pa.ArrowException, OSError, ValueError, TypeError, LookupError):
        raise ValueError("the body is not a Parquet file with a table") from None
    if frame is None:
        shown = ", ".join(map(repr, repeated[:8]))
        raise ValueError(f"duplicate column names: {shown}; rename them")
    return frame


def _with_whole(table: pa.Table, names: Sequence[str]) -> pd.DataFrame:
    import pyarrow as pa

    frame = to_frame(table)
    for name in names:
        if name in table.column_names and name in frame.columns and pa.types.is_integer(table[name].type):
            frame[name] = pd.Series(table[name].to_pylist(), dtype=object, index=frame.index)
    return frame
