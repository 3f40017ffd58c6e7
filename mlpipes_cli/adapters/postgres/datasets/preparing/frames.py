"""Rows as a pandas frame for a user's function, and back.

Whole numbers with gaps are ``Int64``, booleans with gaps ``boolean``; dates and moments are
``datetime64[us]``, texts ``str``. The index is the number of each row: rows that a function keeps keep their
number, if it returns the frame's own index.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from psycopg2 import sql

from mlpipes_cli.adapters.postgres.datasets.preparing.relation import Relation
from mlpipes_cli.ports.data_sets.datasets import ROW, SPLIT, TableColumn

if TYPE_CHECKING:
    import pandas as pd
    from psycopg2.extensions import cursor as Cursor

_BATCH = 50_000


class BadFrame(Exception):
    """What a function returned cannot become a table."""


def read(cursor: Cursor, rows: Relation, part: str | None) -> pd.DataFrame:
    """Return the rows of a part, or all, in their order.

    Args:
        cursor: Of a read-only transaction.
        rows: What to read.
        part: Its name, if the rows are split.
    """
    import pandas as pd

    names = [*rows.types, ROW]
    where = (
        sql.SQL("")
        if part is None
        else sql.SQL("where {} = {}").format(sql.Identifier(SPLIT), sql.Literal(part))
    )
    cursor.execute(
        sql.SQL(
            "declare mlpipes_frame no scroll cursor for select {} from ({}) as input {} order by {}"
        ).format(sql.SQL(", ").join(map(sql.Identifier, names)), rows.query, where, sql.Identifier(ROW))
    )
    frames: list[pd.DataFrame] = []
    while True:
        cursor.execute(f"fetch {_BATCH} from mlpipes_frame")
        found = cursor.fetchall()
        if not found and frames:
            break
        values = (
            dict(zip(names, zip(*found, strict=True), strict=True)) if found else dict.fromkeys(names, ())
        )
        typed = {column.name: _series(values[column.name], column.type) for column in rows.columns}
        frames.append(pd.DataFrame(typed).set_axis(pd.Index(values[ROW], dtype="int64", name=ROW)))
        if not found:
            break
    cursor.execute("close mlpipes_frame")
    whole = pd.concat(frames) if len(frames) > 1 else frames[0]
    return whole.astype({column.name: _dtype(whole[column.name], column.type) for column in rows.columns})


def _series(values: Sequence[Any], kind: str) -> pd.Series:
    import pandas as pd

    nullable = {
        "integer": "Int64", "number": "float64", "boolean": "boolean", "text": "str",
        "date": "datetime64[us]", "datetime": "datetime64[us]",
    }  # fmt: skip
    return pd.Series(list(values), dtype=nullable[kind])


def _dtype(series: pd.Series, kind: str) -> Any:
    plain = {"integer": "int64", "boolean": "bool"}
    return plain[kind] if kind in plain and not series.isna().any() else series.dtype


def columns_of(frame: pd.DataFrame, before: Relation) -> list[TableColumn]:
    """Return the columns of a frame that a function returned.

    Raises:
        BadFrame: Names are not texts, stand twice or are reserved, or a type is not one of a table.
    """
    names = list(frame.columns)
    if bad := [name for name in names if not isinstance(name, str)]:
        raise BadFrame(f"the column name {bad[0]!r} is not a text")
    if twice := [name for name in names if names.count(name) > 1]:
        raise BadFrame(f"duplicate column name {twice[0]!r}")
    if reserved := [name for name in names if name.startswith("_")]:
        raise BadFrame(f"the column {reserved[0]!r}: names that begin with '_' are reserved")
    if long := [name for name in names if not name or len(name.encode()) > 63 or "\0" in name]:
        raise BadFrame(f"{long[0]!r} is not a valid column name: PostgreSQL takes 1 to 63 bytes")
    if not names:
        raise BadFrame("the frame has no column")
    return [TableColumn(name, _type(frame[name], before.types.get(name))) for name in names]


def _type(series: pd.Series, before: str | None) -> str:
    import pandas as pd
    from pandas.api import types

    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _type(pd.Series(dtype.categories), before)
    if types.is_bool_dtype(dtype):
        return "boolean"
    if types.is_integer_dtype(dtype):
        return "integer"
    if types.is_float_dtype(dtype):
        return "number"
    if types.is_datetime64_any_dtype(dtype):
        days = series.dropna()
        return "date" if before == "date" and bool((days == days.dt.normalize()).all()) else "datetime"
    kind = types.infer_dtype(series, skipna=True)
    kinds = {"string": "text", "date": "date", "datetime": "datetime", "boolean": "boolean"}
    if kind in kinds:
        return kinds[kind]
    if kind == "empty":
        return before or "text"
    raise BadFrame(f"the column {series.name!r} has values that a table cannot hold ({kind})")


def numbers(frame: pd.DataFrame, given: pd.Index, start: int) -> Sequence[int]:
    """Return the numbers of a returned frame's rows: their own if it has the given index, else new ones.

    Args:
        frame: What the function returned.
        given: The numbers of the rows that it got.
        start: The first new number.
    """
    index = frame.index
    if index.dtype.kind in "iu" and index.is_unique and (index.name == ROW) and index.isin(given).all():
        return [int(number) for number in index]
    return range(start, start + len(frame))


def write(
    cursor: Cursor, table: sql.Composable, columns: Sequence[TableColumn], rows: Iterator[Sequence[Any]]
) -> None:
    """Copy rows into a table, in batches.

    Args:
        cursor: Of a transaction.
        table: It has these columns, then those of mlpipes.
        columns: The columns.
        rows: Values of all columns of the table; missing ones are None.
    """
    statement = sql.SQL("copy {} from stdin").format(table).as_string(cursor)
    lines: list[str] = []
    for row in rows:
        lines.append("\t".join(map(_cell, row)))
        if len(lines) >= _BATCH:
            cursor.copy_expert(statement, io.StringIO("\n".join(lines) + "\n"))
            lines = []
    if lines:
        cursor.copy_expert(statement, io.StringIO("\n".join(lines) + "\n"))


def values(frame: pd.DataFrame, columns: Sequence[TableColumn]) -> list[list[Any]]:
    """Return the values of each column as Python's own, missing ones as None.

    Raises:
        BadFrame: A text has a zero byte, which PostgreSQL cannot store.
    """
    import pandas as pd

    found = []
    for column in columns:
        series = frame[column.name]
        if isinstance(series.dtype, pd.DatetimeTZDtype):
            series = series.dt.tz_convert("UTC").dt.tz_localize(None)
        if column.type in {"date", "datetime"}:
            moments = pd.to_datetime(series).dt
            series = moments.strftime("%Y-%m-%d" if column.type == "date" else "%Y-%m-%d %H:%M:%S.%f")
        cells = series.astype(object).where(series.notna(), None).tolist()
        if column.type == "text" and any(cell is not None and "\0" in cell for cell in cells):
            raise BadFrame(f"the column {column.name!r} has a text with a zero byte")
        found.append(cells)
    return found


def _cell(value: Any) -> str:
    if value is None:
        return "\\N"
    if isinstance(value, str):
        return value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
    return repr(value.item() if hasattr(value, "item") else value)
