"""Converts input columns to the types of a model's signature: one converter for all input formats.

A column holds JSON values, the cells of a CSV file as text, Parquet and Arrow values, or the elements of
a tensor. The types have the names of MLflow's signatures.

=============== ========================================== =================================================
type            a value may be                             it becomes
=============== ========================================== =================================================
double, float   a number, true or false, a number as text, float64, float32; durations in seconds
                a duration, also as ``1 days 02:00:00``
long, integer   a whole number, also as text               int64, int32; nothing may be missing
boolean         true, false, 1, 0; the words of            bool; with missing values objects
                :mod:`~mlpipes_cli.data.flags` only in
                a cell of a CSV
string          text; any other scalar, as text            text; missing is None
datetime        see :mod:`mlpipes_cli.timestamps`             datetime64[us], naive, in UTC
=============== ========================================== =================================================

A missing value stays missing. These count as missing values, too: in columns of other types than text, a
placeholder or an empty text (:data:`~mlpipes_cli.data.formats.PLACEHOLDERS`); in text columns of a CSV file,
the empty cell; everywhere, what ``missing`` names in the training's settings. An infinite number counts as
missing if the training data had infinite numbers; else it is refused, since no model trained by mlpipes has
learnt from any. A foreign model gets texts and infinite numbers unchanged.
"""

from __future__ import annotations

import contextlib
import datetime
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mlpipes_cli import timestamps
from mlpipes_cli.data import flags
from mlpipes_cli.data.canonical import as_text, seconds
from mlpipes_cli.data.csv_files import missing as gaps
from mlpipes_cli.data.formats import FOREIGN, PLACEHOLDERS, Formats

EXPECTED = {
    "double": "a number",
    "float": "a number",
    "long": "a whole number",
    "integer": "a whole number",
    "boolean": "true or false",
    "string": "text",
    "datetime": "a date and time in ISO 8601",
}
_TRUTHS = {**flags.TRUTHS, "1.0": True, "0.0": False}
_DURATION = re.compile(timestamps.DURATION)
_ENDLESS = "a number that is infinite or too large"
_WIDTHS: dict[str, Any] = {"double": "float64", "float": "float32", "long": "int64", "integer": "int32"}


class ConversionError(Exception):
    """A value cannot be converted.

    Attributes:
        row: Its row in the column, from 0.
        got: A description of the value, never the value itself.
    """

    def __init__(self, row: int, got: str) -> None:
        super().__init__(got)
        self.row, self.got = row, got


def convert(values: pd.Series, kind: str, formats: Formats = FOREIGN, *, cells: bool = False) -> pd.Series:
    """Convert a column to a type of the signature, with a new RangeIndex.

    Args:
        values: The input column.
        kind: One of :data:`EXPECTED`.
        formats: What the model's training counted as missing.
        cells: Whether the values are cells of a CSV file, in which text may stand for any type.

    Raises:
        ConversionError: A value cannot be converted.
    """
    values = values.reset_index(drop=True)
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(values.dtype.categories.dtype if not values.hasnans else object)
    if cells or (kind != "string" and not formats.foreign):
        values = _without_words(values, kind)
    values = gaps.without(values, formats.missing)
    found = _CONVERTERS[kind](values, kind, cells)
    return found if formats.foreign or found.dtype.kind != "f" else _finite(found, values, formats)


def _finite(found: pd.Series, values: pd.Series, formats: Formats) -> pd.Series:
    """Set the numbers that ``missing`` names to missing, and check that all others are finite.

    Raises:
        ConversionError: A number is infinite, or too large for the type.
    """
    found = gaps.without(found, formats.missing)
    endless = gaps.infinite(found)
    if endless is None:
        return found
    row = _first(endless)
    if found.dtype == np.float32 and np.isfinite(_floats(values.iloc[[row]]).iloc[0]):
        raise ConversionError(row, "a number that is too large")
    if not formats.infinite:
        raise ConversionError(row, _ENDLESS)
    return found.mask(endless)


def absent(kind: str, rows: int) -> pd.Series:
    """Return a column of missing values in place of one that was left out.

    Raises:
        ConversionError: The type has no missing values.
    """
    return convert(pd.Series([None] * rows, dtype=object), kind)


def name_of(value: Any) -> str:
    """Return the words for a value in an error message."""
    if isinstance(value, (bool, np.bool_)):
        return "true or false"
    if isinstance(value, (float, np.floating)) and not np.isfinite(value):
        return _ENDLESS
    names = {dict: "an object", list: "a list", np.ndarray: "a list", str: "text", bytes: "bytes"}
    found = next((name for kind, name in names.items() if isinstance(value, kind)), None)
    if found is None and isinstance(value, (int, float, np.number)):
        found = "a number"
    if isinstance(value, datetime.time):
        return "a time of day without a date"
    return found or ("a date and time" if hasattr(value, "isoformat") else type(value).__name__)


def _without_words(values: pd.Series, kind: str) -> pd.Series:
    """Replace the placeholders among the cells by missing values."""
    if values.dtype != object and not isinstance(values.dtype, pd.StringDtype):
        return values
    found: list[Any] = values.tolist()
    if kind == "string":
        kept = [None if cell == "" else cell for cell in found]
    else:
        kept = [None if isinstance(cell, str) and _is_word(cell) else cell for cell in found]
    return pd.Series(kept, name=values.name, dtype=object)


def _is_word(cell: str) -> bool:
    bare = cell.strip().lower()
    return not bare or bare in PLACEHOLDERS or bare == "nat"


def _numbers(values: pd.Series, kind: str, cells: bool) -> pd.Series:
    with np.errstate(over="ignore"):
        return pd.Series(_floats(values).to_numpy().astype(_WIDTHS[kind]), name=values.name)


def _floats(values: pd.Series) -> pd.Series:
    dtype = values.dtype
    if pd.api.types.is_timedelta64_dtype(dtype):
        return seconds(values)
    if pd.api.types.is_datetime64_any_dtype(dtype):
        _refuse(values.notna(), values)
    if dtype.kind == "c":
        _refuse(values.notna(), values)
    if pd.api.types.is_bool_dtype(dtype) or pd.api.types.is_numeric_dtype(dtype):
        return pd.Series(values.to_numpy(dtype=np.float64, na_value=np.nan))
    found = values.to_numpy(dtype=object, na_value=np.nan)
    try:
        with np.errstate(over="ignore"):
            numbers = found.astype(np.float64)
        if not any(isinstance(value, (str, bytes)) and not _clean(value) for value in found):
            return pd.Series(numbers)
    except (TypeError, ValueError, OverflowError):
        pass
    return pd.Series([_float(value, row) for row, value in enumerate(found)], dtype=np.float64)


def _clean(value: Any) -> bool:
    return isinstance(value, str) and "_" not in value and value.strip().isascii()  # float() accepts more


def _float(value: Any, row: int) -> float:
    if hasattr(value, "total_seconds"):
        return float(value.total_seconds())
    if isinstance(value, np.timedelta64):
        return float(value / np.timedelta64(1, "s"))
    if isinstance(value, (str, bytes)) and not _clean(value):
        raise ConversionError(row, name_of(value))
    try:
        return float(value)
    except OverflowError:
        raise ConversionError(row, "a number that is too large") from None
    except (TypeError, ValueError):
        if isinstance(value, str) and _DURATION.fullmatch(value.strip()):
            return float(pd.Timedelta(value.strip()).total_seconds())
        raise ConversionError(row, name_of(value)) from None


def _whole(values: pd.Series, kind: str, cells: bool) -> pd.Series:
    limits = np.iinfo(_WIDTHS[kind])
    missing = values.isna()
    if missing.any():
        raise ConversionError(_first(missing), "a missing value")
    dtype = values.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "iub":
        if not len(values) or (int(values.min()) >= limits.min and int(values.max()) <= limits.max):
            return pd.Series(values.to_numpy().astype(_WIDTHS[kind]), name=values.name)
    found = [_integer(value, row, cells) for row, value in enumerate(values.tolist())]
    for row, number in enumerate(found):
        if not limits.min <= number <= limits.max:
            raise ConversionError(row, "a number that is too large")
    return pd.Series(np.array(found, dtype=_WIDTHS[kind]), name=values.name)


def _integer(value: Any, row: int, cells: bool) -> int:
    if isinstance(value, str):
        if _clean(value):
            with contextlib.suppress(ValueError):
                return int(value)
        if not cells:
            raise ConversionError(row, name_of(value))
    if isinstance(value, (bool, int, np.integer, np.bool_)):
        return int(value)
    number = _float(value, row)
    if not np.isfinite(number):
        raise ConversionError(row, "a missing value" if np.isnan(number) else "a number that is too large")
    if number != int(number):
        raise ConversionError(row, "a number with a fraction")
    return int(number)


def _truths(values: pd.Series, kind: str, cells: bool) -> pd.Series:
    if values.dtype == np.dtype(bool):
        return pd.Series(values)
    missing = values.isna().to_numpy()
    found = np.empty(len(values), dtype=object)
    for row, value in enumerate(values.tolist()):
        found[row] = None if missing[row] else _truth(value, row, cells)
    return pd.Series(found if missing.any() else found.astype(bool), name=values.name)


def _truth(value: Any, row: int, cells: bool) -> bool:
    if isinstance(value, str):
        told = _TRUTHS.get(value.strip().lower()) if cells else None
    else:
        told = bool(value) if isinstance(value, (bool, int, float, np.number, np.bool_)) else None
        told = told if told is not None and value in (0, 1) else None
    if told is None:
        raise ConversionError(row, name_of(value))
    return told


def _texts(values: pd.Series, kind: str, cells: bool) -> pd.Series:
    found: list[Any] = values.tolist()
    if not isinstance(values.dtype, pd.StringDtype):
        found = values.astype(object).tolist()
    made = [_text(value, row) for row, value in enumerate(found)]
    try:
        return pd.Series(made, name=values.name, dtype=None if made else object)
    except (UnicodeError, ValueError):  # an unpaired surrogate
        return pd.Series(made, name=values.name, dtype=object)


def _text(value: Any, row: int) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, (dict, list, tuple, set, np.ndarray)):
        raise ConversionError(row, name_of(value))
    return None if pd.isna(value) else as_text(value)


def _times(values: pd.Series, kind: str, cells: bool) -> pd.Series:
    found, wrong = timestamps.read_moments(values)
    if wrong.any():
        row = int(wrong.argmax())
        value = values.iloc[row]
        got = name_of(value)
        if got == "a number":
            got = "an ambiguous number (a time must be in milliseconds since 1970, from 10^11)"
        elif got == "text" and any(mark.isdigit() for mark in value):
            got = "text in another format"
        raise ConversionError(row, got)
    return found


def _refuse(wrong: pd.Series, values: pd.Series) -> None:
    if wrong.any():
        row = _first(wrong)
        raise ConversionError(row, name_of(values.iloc[row]))


def _first(wrong: pd.Series | np.ndarray | Sequence[bool]) -> int:
    return int(np.asarray(wrong).argmax())


_CONVERTERS: dict[str, Callable[[pd.Series, str, bool], pd.Series]] = {
    "double": _numbers,
    "float": _numbers,
    "long": _whole,
    "integer": _whole,
    "boolean": _truths,
    "string": _texts,
    "datetime": _times,
}
