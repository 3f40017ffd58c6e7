"""The values of a column as numbers or as levels, and the rows whose value is of another type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def as_numbers(values: pd.Series) -> tuple[Floats, Flags]:
    """Return a column as numbers, NaN where missing, and the rows that hold something else.

    A text that reads as a number counts as that number: one wrong cell makes a whole column of a CSV file
    text, and its other rows are to be compared all the same.
    """
    import pandas as pd

    if pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_complex_dtype(values.dtype):
        return values.to_numpy(dtype=np.float64, na_value=np.nan), np.zeros(len(values), dtype=np.bool_)
    missing = values.isna().to_numpy(dtype=np.bool_)
    try:
        read = pd.to_numeric(values.astype(object), errors="coerce")
        numbers = read.to_numpy(dtype=np.float64, na_value=np.nan)
    except OverflowError:  # an integer beyond every float
        numbers = np.full(len(values), np.nan)
    again = np.isnan(numbers) & ~missing
    if again.any():  # integers beyond 64 bits, decimal numbers
        numbers = numbers.copy()
        numbers[again] = [_number(value) for value in values[again]]
    return numbers, np.isnan(numbers) & ~missing


def _number(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
    except (TypeError, ValueError):
        return float("nan")


def as_seconds(values: pd.Series) -> tuple[Floats, Flags]:
    """Return dates as seconds since 1970, NaN where missing, and the rows that hold something else."""
    import pandas as pd

    missing = values.isna().to_numpy(dtype=np.bool_)
    if not pd.api.types.is_datetime64_any_dtype(values.dtype):
        if pd.api.types.is_numeric_dtype(values.dtype):  # a number tells no unit
            return np.full(len(values), np.nan), ~missing
        values = pd.to_datetime(values, errors="coerce", utc=True, format="mixed")
    elif getattr(values.dt, "tz", None) is not None:
        values = values.dt.tz_convert("UTC").dt.tz_localize(None)
    whole = values.astype("datetime64[us, UTC]" if values.dt.tz is not None else "datetime64[us]")
    seconds = whole.astype("int64").to_numpy(dtype=np.float64) / 1e6
    unknown = values.isna().to_numpy(dtype=np.bool_)
    seconds[unknown] = np.nan
    return seconds, unknown & ~missing


def as_texts(values: pd.Series) -> tuple[NDArray[np.object_], NDArray[np.int64]]:
    """Return the distinct values of a column as texts, and which one each row has, -1 where missing.

    A number that is whole reads the same as integer and as float.
    """
    import pandas as pd

    if values.dtype == object:
        values = values.map(lambda value: value if _plain(value) else str(value), na_action="ignore")
    codes, distinct = pd.factorize(values, use_na_sentinel=True)
    texts = np.array([_text(value) for value in distinct], dtype=object)
    return texts, np.asarray(codes, dtype=np.int64)


def _plain(value: Any) -> bool:
    return isinstance(value, (str, int, float))


def _text(value: Any) -> str:
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value))
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)


def together(reference: pd.Series, current: pd.Series) -> tuple[NDArray[np.object_], NDArray[np.int64]]:
    """Return the levels of two samples, and that of each row, the reference's first, -1 where missing."""
    import pandas as pd

    first, codes = as_texts(reference)
    second, more = as_texts(current)
    merged, levels = pd.factorize(np.concatenate([first, second]))
    index_of = np.append(np.asarray(merged, dtype=np.int64), -1)
    later = np.where(more < 0, -1, more + first.size)
    return np.asarray(levels, dtype=object), np.concatenate([index_of[codes], index_of[later]])
