"""What the values of a column are, where the caller does not say it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlpipes_cli.monitoring.results import Kind

if TYPE_CHECKING:
    import pandas as pd

MOST_LEVELS = 200  # texts with more distinct values than this, and than a tenth of the rows, are not levels
_LOOKED_AT = 1_000
_LONG = 40  # characters: longer values on average are prose


def kind_of(values: pd.Series) -> Kind:
    """Return the kind of a column, by its dtype; of objects, by what most of its first values are."""
    import pandas as pd

    dtype = values.dtype
    if pd.api.types.is_bool_dtype(dtype):
        return "boolean"
    if pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_complex_dtype(dtype):
        return "number"
    if pd.api.types.is_datetime64_any_dtype(dtype):
        return "date"
    if isinstance(dtype, pd.CategoricalDtype):
        return "category"
    known = values.dropna()
    return _of_objects(known) if len(known) else "category"


def _of_objects(known: pd.Series) -> Kind:
    import datetime
    import decimal

    first = list(known.iloc[:_LOOKED_AT])
    kinds: list[Kind] = []
    for value in first:
        if isinstance(value, bool):
            kinds.append("boolean")
        elif isinstance(value, (int, float, decimal.Decimal)):
            kinds.append("number")
        elif isinstance(value, (datetime.date, datetime.datetime)):
            kinds.append("date")
        elif isinstance(value, (bytes, bytearray, memoryview)):
            kinds.append("image")
        else:
            kinds.append("category")
    most = max(sorted(set(kinds)), key=kinds.count)
    return most if most != "category" else _of_texts(known)


def _of_texts(known: pd.Series) -> Kind:
    """Tell levels from prose and identifiers: those have long or nearly always different values."""
    texts = known.astype(str)
    distinct = texts.nunique()
    if distinct > max(MOST_LEVELS, len(texts) // 10):
        return "text"
    lengths = texts.iloc[:_LOOKED_AT].str.len()
    return "text" if lengths.mean() > _LONG and distinct > len(texts) // 10 else "category"
