"""Tables of the scoring protocol with unconverted values, for the converter."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from mlpipes_cli.data.arrow import NotConvertible, to_frame
from mlpipes_cli.data.columns import twice
from mlpipes_cli.data.csv_files import csv_table
from mlpipes_cli.data.csv_files.header import Unreadable, header_of
from mlpipes_cli.data.readers.unreadable import NoNames

if TYPE_CHECKING:
    import pyarrow as pa

_LONGEST = 1024  # bits; the largest float has as many before its point
FORMS = {"dataframe_records", "dataframe_split", "instances", "inputs"}
FRAMES = {"dataframe_records", "dataframe_split"}
_SMALL = 2**20  # bytes of a CSV up to which objects are better: they are faster, but take more memory


def as_frame(payload: dict[str, Any], names: Sequence[str]) -> dict[str, Any] | None:
    """Return ``inputs`` and ``instances`` of rows as a dataframe form; dataframe forms pass unchanged.

    Return None if it is none of these: MLflow's parser then reports the error or knows the form.

    Raises:
        ValueError: The rows of ``dataframe_split`` do not have its columns' number of values; one line.
    """
    given = FORMS & payload.keys()
    if len(given) != 1:
        return None
    (form,) = given
    if form in FRAMES:
        if form == "dataframe_split":
            check_split(payload[form])
        return payload
    table = _table(payload[form], names)
    if table is None:
        return None
    return {**{key: value for key, value in payload.items() if key != form}, **table}


def check_split(split: Any, first: int = 0) -> None:
    """Check that ``{columns, data, index}`` has a value for each cell.

    pandas pads shorter rows with missing values, and repeats a single row for each label of the index.

    Args:
        split: The object.
        first: The number of the first row, for messages.

    Raises:
        ValueError: A row or the index has another length; one line.
    """
    if not isinstance(split, dict) or not isinstance(data := split.get("data"), list):
        return
    columns, index = split.get("columns"), split.get("index")
    if isinstance(index, list) and len(index) != len(data):
        raise ValueError(f"index: expected {len(data)} labels, one for each row of data, got {len(index)}")
    width = len(columns) if isinstance(columns, list) else None
    for row, values in enumerate(data, first):
        if isinstance(values, list):
            width = len(values) if width is None else width
            if len(values) != width:
                expected = f"expected {width} values, one for each column"
                raise ValueError(f"row {row}: {expected}, got {len(values)}")


def too_long(payload: dict[str, Any], names: Sequence[str]) -> str | None:
    """Describe an integer that no float holds, on which pandas fails without a place; None without one."""
    try:
        found = _first_too_long(as_frame(payload, names) or {})
    except (ValueError, TypeError, AttributeError, LookupError):  # not the form of a table
        return None
    if found is None:
        return None
    row, name = found
    return f"column {name!r}: expected a number (double), got a number that is too large in row {row}"


def _first_too_long(framed: dict[str, Any]) -> tuple[int, str] | None:
    split = framed.get("dataframe_split") or {"columns": [], "data": []}
    records = framed.get("dataframe_records") or [
        dict(zip(split["columns"], row, strict=False)) for row in split.get("data", ())
    ]
    for row, record in enumerate(records):
        for name, value in record.items():
            if isinstance(value, int) and value.bit_length() > _LONGEST:
                return row, str(name)
    return None


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
    """Return the caller's identifiers as sent: in a frame, integers next to a missing value become floats.

    Args:
        framed: The document with ``dataframe_split`` or ``dataframe_records`` that the frame was made from.
        names: Columns that may hold them; the first one present is used.
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
    """Return a CSV's cells as text, including empty ones, so that ``007`` stays unchanged.

    Raises:
        ValueError: The body is not CSV, or a line is not as long as the header; one line.
    """
    try:
        text = body.decode("utf-8-sig")
        header = header_of(io.BytesIO(body), ",", rows_needed=False, judge=False)
        _check_bytes(body)
        # By default pandas takes the first fields of longer lines as an index, and shifts the others.
        kind = object if len(body) <= _SMALL else str
        frame = pd.read_csv(io.StringIO(text), dtype=kind, keep_default_na=False, index_col=False)
        csv_table.check_lengths(io.BytesIO(body), frame.iloc[:, -1].replace("", None), header)
    except UnicodeDecodeError as error:
        raise ValueError(f"the body is not valid UTF-8 at byte {error.start}") from None
    except NoNames as error:
        raise ValueError(f"the body: {error}; {error.hint}") from None
    except Unreadable as error:
        raise ValueError(error.of("the body")) from None
    except (ValueError, OverflowError) as error:  # pandas' own errors are ValueErrors
        line = " ".join(str(error).split())[:120]
        raise ValueError(f"the body is not a valid CSV file with a header ({line})") from None
    return frame


def _check_bytes(body: bytes) -> None:
    """Reject a NUL byte: pandas' parser ignores what follows it in a cell."""
    if b"\0" in body:
        raise Unreadable("is not a CSV file but a binary file")


def of_parquet(body: bytes, identifiers: Sequence[str] = ()) -> pd.DataFrame:
    """Return a Parquet file's table, with its own types.

    Args:
        body: The file.
        identifiers: Columns whose integers stay integers next to missing values.

    Raises:
        ValueError: The body is not a Parquet file, or has a duplicate column name; one line.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(io.BytesIO(body)).read()
        repeated = twice(table.column_names)
        frame = _with_whole(table, identifiers) if not repeated else None
    except NotConvertible as error:
        raise ValueError(str(error)) from None
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
