"""The deciding metric by segment: on the rows of one level, or range, of a column."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

_RANGES = 4  # of a number, by the quantiles of the reference
_LEVELS = 12  # of a category; rows of the others are one segment
MISSING = "(missing)"
OTHERS = "(others)"

Mask = npt.NDArray[np.bool_]


def segments(
    live: pd.DataFrame, reference: pd.DataFrame | None
) -> Iterator[tuple[str, Any, Mask, Mask | None]]:
    """Yield the column, its value, and the rows of both sides in each segment.

    Numbers become ranges between the quartiles of the reference, other values are levels: the most frequent
    ones, and the rest together. Missing values are a segment.

    Args:
        live: The columns of the live rows to look at.
        reference: The same columns of the holdout; of the live rows alone if None, or for a column that
            the holdout does not have.
    """
    import pandas as pd

    for name in live.columns:
        own = live[name]
        other = reference[name] if reference is not None and name in reference.columns else None
        numbers = all(
            pd.api.types.is_numeric_dtype(c) and not pd.api.types.is_bool_dtype(c)
            for c in (own, other)
            if c is not None
        )
        base = own if other is None else other
        if numbers and base.nunique() > _RANGES:
            edges = np.unique(base.dropna().astype(float).quantile(np.arange(1, _RANGES) / _RANGES))
            labels = _ranges(edges)
            codes = [None if c is None else _coded(c, edges, labels) for c in (own, other)]
        else:
            kept = list(base.dropna().value_counts().index[:_LEVELS])
            codes = [None if c is None else _leveled(c, kept) for c in (own, other)]
            labels = [*kept, OTHERS]
        assert codes[0] is not None
        for value in [*labels, MISSING]:
            here = codes[0] == _key(value)
            if here.any():
                yield str(name), _plain(value), here, None if codes[1] is None else codes[1] == _key(value)


def holm(p: Mapping[int, float]) -> dict[int, float]:
    """Adjust p-values for their number (Holm 1979)."""
    found: dict[int, float] = {}
    largest = 0.0
    for rank, key in enumerate(sorted(p, key=lambda k: p[k])):
        largest = max(largest, min(1.0, p[key] * (len(p) - rank)))
        found[key] = largest
    return found


def _ranges(edges: npt.NDArray[np.float64]) -> list[str]:
    texts = [f"{edge:.6g}" for edge in edges]
    between = [f"> {low} to {high}" for low, high in itertools.pairwise(texts)]
    return [f"<= {texts[0]}", *between, f"> {texts[-1]}"]


def _coded(column: pd.Series, edges: npt.NDArray[np.float64], labels: list[str]) -> npt.NDArray[Any]:
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    found = np.array([*map(_key, labels)], dtype=object)[np.searchsorted(edges, values, side="left")]
    found[np.isnan(values)] = _key(MISSING)
    return found


def _leveled(column: pd.Series, kept: list[Any]) -> npt.NDArray[Any]:
    known = set(map(_key, kept))
    missing = column.isna().to_numpy()
    keys = [_key(value) for value in column]
    found = np.array([key if key in known else _key(OTHERS) for key in keys], dtype=object)
    found[missing] = _key(MISSING)
    return found


def _key(value: Any) -> str:
    """Return a text that is the same for 1 and 1.0, which a file may turn into each other."""
    value = _plain(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return f"{type(value).__name__ if isinstance(value, bool) else ''}{value}"


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
