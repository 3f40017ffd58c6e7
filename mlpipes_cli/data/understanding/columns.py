"""Columns that tell a model nothing, or that are not what they seem to be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from mlpipes_cli.config.experiment import Data
    from mlpipes_cli.data.prepared import Prepared

_LISTED = 5  # columns named in a line
FEWEST = 30  # rows below which it is no wonder that all values differ
_HALF = 0.5  # share of one and the same word up to which it likely means a missing value
_NEARLY = 0.95  # share of numbers in a column of text from which on it was likely meant to be numeric


def kind_of(prepared: Prepared, name: str) -> str:
    """Return the type of a feature: number, boolean, text, datetime or image."""
    if name in prepared.images:
        return "image"
    if name in prepared.booleans:
        return "boolean"
    kind = prepared.frame[name].dtype.kind
    return {"M": "datetime", "O": "text"}.get(kind, "number" if kind in "fiu" else "text")


def warnings(prepared: Prepared, types: Mapping[str, str], data: Data, said: Sequence[str]) -> list[str]:
    """Return a line for each kind of odd column."""
    empty, constant, unique, unread = [], [], [], []
    for name, kind in types.items():
        if kind == "image":
            continue
        values = prepared.frame[name]
        present = int(values.notna().sum())
        if not present:
            empty.append(name)
        elif _is_constant(values, present):
            constant.append(name)
        elif present == len(values) and len(values) >= FEWEST and _all_differ(values, kind):
            unique.append(name)
        elif kind == "text" and name not in data.types and not any(repr(name) in line for line in said):
            if (few := unreadable(values, present)) is not None:
                unread.append(
                    f"{name!r} is text because of {few}; the others are numbers: list such words under"
                    f" `missing`, or set `types: {{{name}: text}}`"
                )
    found = []
    if empty:
        found.append(f"no value in any row: {_listed(empty)}")
    if constant:
        found.append(f"the same value in every row: {_listed(constant)}")
    if unique:
        found.append(
            f"another value in every row: {_listed(unique)}; a column that names the rows belongs in `id` or"
            " `drop`"
        )
    return found + unread


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(map(repr, names[:_LISTED])) + more


def _is_constant(values: pd.Series, present: int) -> bool:
    if present < len(values):
        return False
    return bool((values == values.iloc[0]).all())


def _all_differ(values: pd.Series, kind: str) -> bool:
    """Return whether whole numbers or texts all differ; measured numbers and moments mostly do."""
    if kind not in {"number", "text"}:
        return False
    if kind == "number" and not bool((np.floor(values.iloc[:1000]) == values.iloc[:1000]).all()):
        return False
    if values.iloc[:1000].nunique() < len(values.iloc[:1000]) or not values.is_unique:
        return False
    return kind == "text" or bool((np.floor(values) == values).all())


def unreadable(values: pd.Series, present: int) -> str | None:
    """Return how many words, and such as which, are in a column of texts that is numbers else; or None."""
    first = pd.to_numeric(values.dropna().iloc[:200], errors="coerce")
    if first.notna().mean() < _NEARLY / 2:
        return None
    read = pd.to_numeric(values, errors="coerce")
    wrong = values[values.notna() & read.isna()]
    most = _HALF if wrong.nunique() == 1 else 1 - _NEARLY
    if not len(wrong) or len(wrong) > most * present:
        return None
    return f"{len(wrong)} of {present} values, such as {wrong.iloc[0]!r}"
