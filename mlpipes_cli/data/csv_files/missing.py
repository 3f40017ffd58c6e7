"""Values that a model's training counted as missing besides empty cells: words, numbers, infinite numbers."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from mlpipes_cli.data.formats import numbers


def without(column: pd.Series, words: Collection[str]) -> pd.Series:
    """Return the column with the given words, and the numbers among them, set to missing."""
    if not words:
        return column
    numbered = numbers(words)
    types = pd.api.types
    if types.is_numeric_dtype(column.dtype) and not types.is_bool_dtype(column.dtype):
        found = column.isin(numbered)
    elif types.is_object_dtype(column.dtype) or isinstance(
        column.dtype, (pd.StringDtype, pd.CategoricalDtype)
    ):
        found = column.isin([*words, *numbered])
    else:
        return column
    return column.mask(found) if found.any() else column


def infinite(column: pd.Series) -> np.ndarray | None:
    """Return (n,) booleans that mark the infinite numbers of a float column; None if there are none."""
    if not pd.api.types.is_float_dtype(column.dtype):
        return None
    found = np.isinf(column.to_numpy(dtype=np.float64, na_value=np.nan))
    return found if found.any() else None
