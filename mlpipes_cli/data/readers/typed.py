"""Plans for columns that have a type already, and their conversion to the types of tables."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlpipes_cli.data.csv_files.numbers import PLAIN
from mlpipes_cli.data.formats import numbers as numbers_among
from mlpipes_cli.data.readers import convert
from mlpipes_cli.data.readers.plan import ColumnPlan
from mlpipes_cli.data.readers.unreadable import Unreadable

_WIDE = {"number": {"integer", "number"}, "datetime": {"date", "datetime"}}


def type_of(field: pa.Field) -> str:
    """Return the type of a table's column for one of Arrow's.

    Raises:
        Unreadable: It holds binary data.
    """
    kind, of = field.type, pa.types
    if of.is_dictionary(kind):
        kind = kind.value_type
    if of.is_boolean(kind):
        return "boolean"
    if (
        of.is_uint64(kind)
        or of.is_floating(kind)
        or of.is_decimal(kind)
        or of.is_duration(kind)
        or of.is_null(kind)
    ):
        return "number"
    if of.is_integer(kind):
        return "integer"
    if of.is_date(kind):
        return "date"
    if of.is_timestamp(kind):
        return "datetime"
    if of.is_binary(kind) or of.is_large_binary(kind) or of.is_fixed_size_binary(kind):
        raise Unreadable(f"column {field.name!r} holds binary data; leave it out with `drop: true`")
    return "text"


def is_text(field: pa.Field) -> bool:
    """Return whether a column of Arrow's holds texts."""
    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def common(kinds: list[str]) -> str:
    """Return the type of a column that has one of these in each part."""
    if len(kinds) == 1:
        return kinds[0]
    return next((wide for wide, of in _WIDE.items() if of >= set(kinds)), "text")


def converted(column: pa.Array, plan: ColumnPlan, missing: tuple[str, ...]) -> convert.Converted:
    """Return a column with the type of its plan, and which cells do not have it; None if all have."""
    column = plain(column)
    kind = column.type
    if pa.types.is_large_string(kind):
        return convert.convert(column, plan, PLAIN, missing)
    if plan.type == "text":
        return convert.convert(as_text(column), plan, PLAIN, missing)
    wanted = convert.ARROW_TYPES[plan.type]
    made = column if kind == wanted else _cast(column, wanted)
    bad = np.asarray(pc.and_(pc.is_valid(column), pc.is_null(made)).to_numpy(zero_copy_only=False))
    if plan.type in ("integer", "number") and missing and (numbers := numbers_among(missing)):
        gone = pc.is_in(pc.cast(made, pa.float64()), value_set=pa.array(numbers, pa.float64()))
        made = pc.if_else(gone, pa.scalar(None, made.type), made)
    return made, bad if bad.any() else None


def plain(column: pa.Array) -> pa.Array:
    """Return a column without encodings, zones or narrow types; NaN is a missing value."""
    of = pa.types
    if of.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if of.is_null(kind):
        return pa.nulls(len(column), pa.float64())
    if of.is_string(kind) or (hasattr(of, "is_string_view") and of.is_string_view(kind)):
        return pc.cast(column, pa.large_string())
    if of.is_floating(kind) or of.is_decimal(kind) or of.is_uint64(kind):
        column = pc.cast(column, pa.float64(), safe=False)
        return pc.if_else(pc.is_nan(column), pa.scalar(None, pa.float64()), column)
    if of.is_integer(kind):
        return pc.cast(column, pa.int64())
    if of.is_timestamp(kind):
        return pc.cast(pc.cast(column, pa.timestamp("us", kind.tz), safe=False), pa.timestamp("us"))
    if of.is_date(kind):
        return pc.cast(column, pa.date32())
    if of.is_duration(kind):
        ticks = {"s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}[kind.unit]
        return pc.divide(pc.cast(pc.cast(column, pa.int64()), pa.float64(), safe=False), float(ticks))
    return column


def as_text(column: pa.Array) -> pa.Array:
    """Return values as texts: numbers without a needless fraction, times as ISO 8601, objects as JSON."""
    of, kind = pa.types, column.type
    if of.is_large_string(kind):
        return column
    if of.is_integer(kind) or of.is_boolean(kind) or of.is_date(kind) or of.is_time(kind):
        return pc.cast(column, pa.large_string())
    return pa.array([_text(value) for value in column.to_pylist()], pa.large_string())


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    return (
        json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, (dict, list)) else str(value)
    )


def _cast(column: pa.Array, wanted: pa.DataType) -> pa.Array:
    """Return a column of another type; values that do not fit are missing."""
    try:
        return pc.cast(column, wanted)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        pass
    if pa.types.is_integer(wanted) and pa.types.is_floating(column.type):
        whole = pc.equal(pc.floor(column), column)
        inside = pc.less(pc.abs(column), 2.0**63)
        fits = pc.and_(pc.fill_null(whole, False), pc.fill_null(inside, False))
        return pc.cast(pc.if_else(fits, column, pa.scalar(None, column.type)), wanted, safe=False)
    if pa.types.is_boolean(wanted) and (
        pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
    ):
        fits = pc.fill_null(pc.is_in(column, value_set=pa.array([0, 1], column.type)), False)
        return pc.cast(pc.if_else(fits, column, pa.scalar(None, column.type)), wanted)
    if pa.types.is_date(wanted) and pa.types.is_timestamp(column.type):
        days = pc.floor_temporal(column, unit="day")
        fits = pc.fill_null(pc.equal(days, column), False)
        return pc.cast(pc.if_else(fits, days, pa.scalar(None, column.type)), wanted)
    return pa.nulls(len(column), wanted)
