"""Arrow columns from Python's values, as databases, workbooks and functions give them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa


def column(values: Sequence[Any]) -> pa.Array:
    """Return a column; values of different kinds become texts."""
    cells = [_single(value) for value in values]
    kinds = {type(value) for value in cells if value is not None}
    if not kinds:
        return pa.nulls(len(cells))
    if kinds == {bool}:
        return pa.array(cells, pa.bool_())
    if kinds == {int} and all(value is None or -(2**63) <= value < 2**63 for value in cells):
        return pa.array(cells, pa.int64())
    if kinds <= {int, float} and float in kinds:
        return pa.array([None if value is None else float(value) for value in cells], pa.float64())
    if kinds == {date}:
        return pa.array(cells, pa.date32())
    if kinds <= {date, datetime}:
        return pa.array([_moment(value) for value in cells], pa.timestamp("us"))
    if kinds == {timedelta}:
        return pa.array(cells, pa.duration("us"))
    if kinds == {bytes}:
        return pa.array(cells, pa.large_binary())
    return pa.array([text(value) for value in cells], pa.large_string())


def _single(value: Any) -> Any:
    """Return a value of one of the kinds that are told apart; a number that is none is missing."""
    if hasattr(value, "item") and not isinstance(value, (list, dict)) and getattr(value, "ndim", 0) == 0:
        value = value.item()  # a scalar of NumPy
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, datetime) and type(value) is not datetime:
        return None if value != value else datetime.fromisoformat(value.isoformat())  # a moment of pandas
    return value


def _moment(value: Any) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day)
    return value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)


def text(value: Any) -> str | None:
    """Return a value as a text: numbers without a needless fraction, objects and lists as JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, (date, datetime, time)):
        return value.isoformat()
    if isinstance(value, (dict, list, tuple)):
        return json.dumps(value, ensure_ascii=False, default=str, sort_keys=True)
    return str(value)
