"""Columns that alone give the target away, as those do that were filled in after the fact."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlpipes_cli.data.prepared import Prepared

SEPARATES = 0.999  # ROC AUC, or balanced accuracy of the categories
CORRELATES = 0.99999  # with a numeric target
FEWEST = 10  # rows of the rarest class, below which a column may separate by chance
ROWS_EACH = 10  # rows of a category on average, below which categories are no evidence


def warnings(prepared: Prepared, types: Mapping[str, str]) -> list[str]:
    """Return a line for each column that alone separates the target nearly whole on the training rows."""
    y = prepared.y(prepared.train)
    if prepared.task == "regression":
        return _of_numbers(prepared, types, y.to_numpy(dtype=np.float64))
    codes = pd.factorize(y, sort=True)[0]
    counts = np.bincount(codes)
    if len(counts) < 2 or counts.min() < FEWEST:
        return []
    found = []
    for name, kind in types.items():
        if kind == "image":
            continue
        values = prepared.frame[name].iloc[prepared.train]
        if (told := separates(values, kind, codes, counts)) is not None:
            found.append(
                f"{name!r} alone tells {prepared.target_name!r} on the training rows ({told}); {ASK}"
            )
    return found


ASK = "if it is only known afterwards, list it under `drop`"


def separates(values: pd.Series, kind: str, codes: NDArray[Any], counts: NDArray[Any]) -> str | None:
    """Return by what a column separates the classes; None if it does not.

    Args:
        values: The column.
        kind: Its type: number, boolean, datetime or text.
        codes: The class of each row, from 0.
        counts: The rows of each class, at least ``FEWEST``.
    """
    if len(counts) == 2 and kind in {"number", "boolean", "datetime"}:
        present = values.notna().to_numpy()
        held = np.bincount(codes[present], minlength=2)
        if present.all() or held.min() >= FEWEST:
            numbers = values.to_numpy()[present]
            area = roc_auc(numbers, codes[present] == 1)
            if present.all() and max(area, 1 - area) >= SEPARATES:
                return f"ROC AUC {max(area, 1 - area):.4g}"
        if not present.all():
            return _by_categories(present.astype(np.int64), codes, counts, "whether it is missing")
        return None
    found = pd.factorize(values, use_na_sentinel=False)[0]
    return _by_categories(found, codes, counts, "each value has one class")


def roc_auc(numbers: NDArray[Any], positive: NDArray[np.bool_]) -> float:
    """Return the area under the ROC curve of the numbers as scores; ties count half (Mann and Whitney)."""
    order = np.argsort(numbers, kind="stable")
    ordered = numbers[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    ends = np.r_[starts[1:], len(ordered)]
    ranks = np.repeat((starts + ends + 1) / 2.0, ends - starts)
    high = int(positive.sum())
    return float((ranks[positive[order]].sum() - high * (high + 1) / 2) / (high * (len(numbers) - high)))


def _by_categories(found: NDArray[Any], codes: NDArray[Any], counts: NDArray[Any], how: str) -> str | None:
    size = int(found.max()) + 1
    if size < 2 or size * ROWS_EACH > len(codes):
        return None
    table = np.bincount(found * len(counts) + codes, minlength=size * len(counts)).reshape(size, -1)
    # The class of a category is the one of which it holds the largest share.
    best = np.argmax(table / counts, axis=1)
    right = np.bincount(best, weights=table[np.arange(size), best], minlength=len(counts))
    return how if float((right / counts).mean()) >= SEPARATES else None


def _of_numbers(prepared: Prepared, types: Mapping[str, str], y: NDArray[np.float64]) -> list[str]:
    found = []
    for name, kind in types.items():
        if kind != "number":
            continue
        values = prepared.frame[name].to_numpy(dtype=np.float64)[prepared.train]
        if (told := correlates(values, y)) is not None:
            found.append(
                f"{name!r} alone tells {prepared.target_name!r} on the training rows ({told}); {ASK}"
            )
    return found


def correlates(values: NDArray[np.float64], y: NDArray[np.float64]) -> str | None:
    """Return the correlation of a column with a numeric target if it is nearly whole, else None."""
    if len(y) < 3 * FEWEST or not np.isfinite(values).all() or values.std() == 0 or y.std() == 0:
        return None
    r = float(np.corrcoef(values, y)[0, 1])
    return f"correlation {r:.6g}" if abs(r) >= CORRELATES else None
