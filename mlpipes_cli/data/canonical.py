"""Canonical column types: the same rows become the same frame, whatever source they are read from.

=====================  ==================================================================
read as                becomes
=====================  ==================================================================
integers, decimals     float64 (JSON integers and missing values then fit the signature)
booleans               bool; with missing values: object of True, False and None; as a
                       feature float64, 1 and 0 (a missing value then stays one everywhere)
strings, mixed         pandas' ``str``, missing values stay missing
dates, times           datetime64[us], naive, in UTC
durations              float64, seconds
=====================  ==================================================================
"""

from __future__ import annotations

import datetime
import decimal
import json
from typing import Any

import numpy as np
import pandas as pd


def canonical(values: pd.Series) -> pd.Series:
    """Return the column with its canonical type and an unchanged index."""
    dtype = values.dtype
    types = pd.api.types
    if isinstance(dtype, pd.CategoricalDtype):
        plain: pd.Series = values.astype(dtype.categories.dtype)
        return canonical(plain)
    if types.is_bool_dtype(dtype):
        return _booleans(values)
    if types.is_numeric_dtype(dtype):
        return _numbers(values)
    if types.is_datetime64_any_dtype(dtype):
        return _moments(values)
    if types.is_timedelta64_dtype(dtype):
        return seconds(values)
    if isinstance(dtype, pd.StringDtype):
        texts: pd.Series = values.astype("str")
        return texts
    return _objects(values.astype(object))


def seconds(values: pd.Series) -> pd.Series:
    """Convert durations to seconds as float64."""
    found: pd.Series = values.dt.total_seconds().astype("float64")
    return found


def canonical_feature(values: pd.Series) -> tuple[pd.Series, bool]:
    """Return the column as a model learns from it, and whether its numbers represent true and false.

    Booleans become numbers: MLflow's casts turn a missing boolean into false and the text ``false`` into
    true, but keep a missing number missing and refuse such text.
    """
    found = canonical(values)
    truths = found.dtype == bool or (found.dtype == object and _are_booleans(found))
    return (_numbers(found) if truths else found), truths


def _are_booleans(values: pd.Series) -> bool:
    present = values[values.notna()]
    return len(present) > 0 and all(isinstance(value, (bool, np.bool_)) for value in present)


def canonical_ids(values: pd.Series) -> pd.Series:
    """Return an id column as int64 if all values are integers that fit, else as the source's strings."""
    if pd.api.types.is_integer_dtype(values.dtype) and not values.isna().any():
        if not len(values) or int(values.max()) <= np.iinfo(np.int64).max:
            return values.astype("int64")
    if pd.api.types.is_float_dtype(values.dtype) and not values.isna().any():
        numbers = values.to_numpy(dtype=np.float64)
        if np.all(np.abs(numbers) < 2**53) and np.all(numbers == np.floor(numbers)):
            return values.astype("int64")
    return _texts(values.astype(object))


def _numbers(values: pd.Series) -> pd.Series:
    if values.dtype.kind == "c":
        return _texts(values.astype(object))
    return pd.Series(values.to_numpy(dtype=np.float64, na_value=np.nan), index=values.index, name=values.name)


def _booleans(values: pd.Series) -> pd.Series:
    if not values.isna().any():
        return values.astype(bool)
    flags = [None if pd.isna(flag) else bool(flag) for flag in values]
    return pd.Series(
        flags,
        index=values.index,
        name=values.name,
        dtype=object,
    )


def _moments(values: pd.Series) -> pd.Series:
    if values.dt.tz is not None:
        values = values.dt.tz_convert("UTC").dt.tz_localize(None)
    return values.astype("datetime64[us]")


def _objects(values: pd.Series) -> pd.Series:
    """Convert an object column by the types of its values."""
    present = values[values.notna()]
    if present.empty:
        return pd.Series(np.full(len(values), np.nan), index=values.index, name=values.name)
    kinds = {type(value) for value in present}
    if kinds <= {bool, np.bool_}:
        return _booleans(values)
    if all(issubclass(kind, (int, float, np.number, decimal.Decimal)) for kind in kinds):
        if not any(issubclass(kind, (bool, np.bool_)) for kind in kinds):
            return pd.to_numeric(values.map(float, na_action="ignore")).astype("float64")
    if all(issubclass(kind, (datetime.date, np.datetime64)) for kind in kinds):
        moments = pd.to_datetime(values, utc=True, errors="coerce")
        return _moments(moments)
    if all(issubclass(kind, (datetime.timedelta, np.timedelta64)) for kind in kinds):
        return pd.to_timedelta(values).dt.total_seconds().astype("float64")
    return _texts(values)


def _texts(values: pd.Series) -> pd.Series:
    return values.map(as_text, na_action="ignore").astype("str")


def as_text(value: Any) -> str:
    """Return a value that is not missing as text."""
    if isinstance(value, str):
        return value
    if isinstance(value, (float, np.floating)) and float(value).is_integer() and abs(float(value)) < 2**53:
        return str(int(value))  # 3.0 in a column with strings was a 3 in the file
    if isinstance(value, (dict, list, tuple)):
        return json.dumps(value, sort_keys=True, default=str, ensure_ascii=False)
    if isinstance(value, (bytes, memoryview)):
        return _of_bytes(bytes(value))
    return str(value)


def _of_bytes(value: bytes) -> str:
    """Decode UTF-8, which Hive and Impala store unmarked in Parquet; return other bytes as hexadecimal."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.hex()
