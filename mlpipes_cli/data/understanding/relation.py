"""How one column goes with the target: one number, and the target by value or range of the column."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlpipes_cli.data.target import MOST_NUMERIC_CLASSES
from mlpipes_cli.data.understanding import leakage
from mlpipes_cli.ports.data_sets.dataset_profile import Relation, TargetGroup

if TYPE_CHECKING:
    from numpy.typing import NDArray

_GROUPS = 10  # ranges of numbers, or the most frequent texts
_LEAST = 5  # rows below which a text has no mean worth showing


@dataclass(frozen=True)
class Known:
    """A target, without missing values.

    Attributes:
        task: ``binary``, ``multiclass`` or ``regression``.
        shown: What means are taken of: the numbers, or 1 for the class ``level`` and 0 for the others.
        level: The positive class, or the most frequent of several; None for numbers.
        codes: The class of each row, from 0; empty for numbers.
        counts: The rows of each class.
    """

    task: str
    shown: NDArray[np.float64]
    level: str | None
    codes: NDArray[np.int64]
    counts: NDArray[np.int64]


def known(values: pd.Series, kind: str) -> Known | None:
    """Return what a target is, by the rules of experiments; None if it has less than two values.

    Two values are binary, and the later one in their order is positive. Texts, booleans and at most 20
    whole numbers are classes; other numbers are a quantity.

    Args:
        values: Without missing ones.
        kind: ``number``, ``boolean`` or ``text``.
    """
    codes, levels = pd.factorize(values, sort=True)
    if len(levels) < 2:
        return None
    whole = kind != "number" or bool((np.floor(np.asarray(levels, float)) == np.asarray(levels)).all())
    if not whole or (kind == "number" and len(levels) > MOST_NUMERIC_CLASSES):
        none = np.zeros(0, np.int64)
        return Known("regression", values.to_numpy(np.float64), None, none, none)
    counts = np.bincount(codes)
    chosen = 1 if len(levels) == 2 else int(counts.argmax())
    task = "binary" if len(levels) == 2 else "multiclass"
    return Known(task, (codes == chosen).astype(np.float64), _level(levels[chosen]), codes, counts)


def _level(value: Any) -> str:
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value)).lower()
    return f"{value:.15g}" if isinstance(value, (float, np.floating)) else str(value)


def leak(values: pd.Series, kind: str, target: Known) -> str | None:
    """Return by what a column alone gives the target away, or None."""
    if target.task == "regression":
        number = kind in {"number", "boolean", "datetime"}
        return leakage.correlates(values.to_numpy(np.float64), target.shown) if number else None
    if target.counts.min() < leakage.FEWEST:
        return None
    return leakage.separates(values, kind, target.codes, target.counts)


def relation(values: pd.Series, kind: str, target: Known, show: Callable[[float], str]) -> Relation:
    """Return how a column goes with the target.

    Numbers: the area under the ROC curve for two classes, Spearman's rank correlation for numbers, the
    correlation ratio for several classes. Texts: the correlation ratio, or Cramér's V for several classes.
    Both are corrected for the number of groups; groups of less than 10 rows on average have no value, so
    that names of rows do not seem to tell the target.

    Args:
        values: The column; numbers, booleans and moments as float64, texts as ``str``.
        kind: ``number``, ``boolean``, ``datetime`` or ``text``.
        target: The target of the same rows.
        show: Writes a number of the column.
    """
    present = values.notna().to_numpy()
    measure, value = _measured(values[present], kind, target, present)
    return Relation(measure, value, _groups(values, present, kind, target.shown, show))


def _measured(
    values: pd.Series, kind: str, target: Known, present: NDArray[np.bool_]
) -> tuple[str, float | None]:
    y = target.shown[present]
    if kind == "text":
        groups = pd.factorize(values)[0]
        if target.task == "multiclass":
            return "cramers_v", _cramers_v(groups, target.codes[present])
        return "correlation_ratio", _correlation_ratio(groups, y)
    numbers = values.to_numpy(np.float64)
    if target.task == "multiclass":
        return "correlation_ratio", _correlation_ratio(target.codes[present], numbers)
    if target.task == "binary":
        high = int(y.sum())
        return "roc_auc", leakage.roc_auc(numbers, y == 1) if 0 < high < len(y) else None
    return "spearman", _spearman(numbers, y)


def _spearman(x: NDArray[np.float64], y: NDArray[np.float64]) -> float | None:
    a, b = (pd.Series(one).rank().to_numpy() for one in (x, y))
    if len(a) < 3 or a.std() == 0 or b.std() == 0:
        return None
    return float(np.corrcoef(a, b)[0, 1])


def _correlation_ratio(groups: NDArray[Any], y: NDArray[np.float64]) -> float | None:
    """Return the root of epsilon squared (Kelley 1935): eta squared less what chance explains."""
    n = np.bincount(groups) if len(groups) else np.zeros(0)
    n, rows = n[n > 0], len(y)
    if len(n) < 2 or len(n) * leakage.ROWS_EACH > rows or y.std() == 0:
        return None
    codes = np.unique(groups, return_inverse=True)[1]
    means = np.bincount(codes, weights=y) / n
    within = float(((y - means[codes]) ** 2).sum()) / (rows - len(n))
    return float(np.sqrt(max(0.0, 1 - within / float(y.var(ddof=1)))))


def _cramers_v(groups: NDArray[Any], codes: NDArray[Any]) -> float | None:
    """Return Cramér's V with the correction for bias of Bergsma (2013)."""
    table = pd.crosstab(groups, codes).to_numpy(np.float64)
    rows, (r, k) = table.sum(), table.shape
    if r < 2 or k < 2 or max(r, k) * leakage.ROWS_EACH > rows:
        return None
    expected = table.sum(1, keepdims=True) * table.sum(0) / rows
    phi = float(((table - expected) ** 2 / expected).sum()) / rows
    phi = max(0.0, phi - (r - 1) * (k - 1) / (rows - 1))
    least = min(r - (r - 1) ** 2 / (rows - 1), k - (k - 1) ** 2 / (rows - 1)) - 1
    return float(min(1.0, np.sqrt(phi / least))) if least > 0 else None


def _groups(
    values: pd.Series,
    present: NDArray[np.bool_],
    kind: str,
    y: NDArray[np.float64],
    show: Callable[[float], str],
) -> list[TargetGroup]:
    held = values[present]
    found = _texts(held, y[present]) if kind == "text" else _ranges(held, y[present], show, kind)
    gaps = y[~present]
    return [*found, TargetGroup("missing", len(gaps), float(gaps.mean()))] if len(gaps) else found


def _texts(values: pd.Series, y: NDArray[np.float64]) -> list[TargetGroup]:
    table = pd.DataFrame({"v": values.to_numpy(), "y": y}).groupby("v")["y"].agg(["size", "mean"])
    table = table[table["size"] >= _LEAST].sort_values("size", ascending=False, kind="stable")[:_GROUPS]
    return [TargetGroup(str(label), int(size), float(mean)) for label, size, mean in table.itertuples()]


def _ranges(
    values: pd.Series, y: NDArray[np.float64], show: Callable[[float], str], kind: str
) -> list[TargetGroup]:
    numbers = values.to_numpy(np.float64)
    levels = np.unique(numbers)
    if not len(levels):
        return []
    edges = levels
    if len(levels) > _GROUPS:
        edges = np.unique(np.quantile(numbers, np.arange(1, _GROUPS) / _GROUPS, method="lower"))
    codes = np.searchsorted(edges, numbers, side="left")
    found = []
    for code in np.unique(codes):
        inside = codes == code
        low, high = numbers[inside].min(), numbers[inside].max()
        label = show(low) if low == high else f"{show(low)} to {show(high)}"
        if kind == "boolean":
            label = str(bool(low)).lower()
        found.append(TargetGroup(label, int(inside.sum()), float(y[inside].mean())))
    return found
