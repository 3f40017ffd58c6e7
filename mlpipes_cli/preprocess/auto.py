"""Plans automatic preprocessing: determines the kind of each column from the training rows."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Literal

import numpy as np
import pandas as pd

from mlpipes_cli.metric_catalog import Task
from mlpipes_cli.preprocess.blocks import read_labels, read_moments, read_numbers
from mlpipes_cli.preprocess.transformer import AutoPreprocessor

Kind = Literal["numbers", "dates", "categories", "targets", "constant"]
MOST_ONE_HOT = 30  # with more distinct strings, a column is target-encoded
_ENOUGH = 0.9  # share of the distinct strings that have to be dates for the column to count as dates
_NUMBERS = {"integer", "floating", "mixed-integer-float", "decimal"}
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?")


def build(X: pd.DataFrame, task: Task, scale: bool = True, texts: Collection[str] = ()) -> AutoPreprocessor:
    """Build the unfitted preprocessing step for these training rows.

    Constant and empty columns are left out; if nothing varies, all columns stay. Text stays text even if
    it looks like numbers: the reader of the data decides what is a number.

    Args:
        X: The training rows.
        task: The kind of target.
        scale: Whether to scale the output; trees do not need it.
        texts: Columns that stay text even if all their values are dates.

    Raises:
        ValueError: A column name occurs twice.
    """
    frame = X.set_axis([str(name) for name in X.columns], axis=1)
    if not frame.columns.is_unique:
        twice = sorted(set(frame.columns[frame.columns.duplicated()]))
        raise ValueError(f"duplicate column names: {', '.join(map(repr, twice))}")
    plan: dict[Kind, list[str]] = {
        "numbers": [],
        "dates": [],
        "categories": [],
        "targets": [],
        "constant": [],
    }
    for name in frame.columns:
        plan[kind_of(frame[name], is_text=name in texts)].append(name)
    if len(plan["constant"]) == len(frame.columns):
        plan["numbers"] = plan["constant"]
    return AutoPreprocessor(plan["numbers"], plan["dates"], plan["categories"], plan["targets"], task, scale)


def kind_of(values: pd.Series, *, is_text: bool = False) -> Kind:
    """Return the kind of a column; ``is_text`` if the settings declare it as text."""
    dtype = values.dtype
    if pd.api.types.is_datetime64_any_dtype(dtype):
        return "dates" if values.nunique(dropna=False) > 1 else "constant"
    if pd.api.types.is_bool_dtype(dtype) or pd.api.types.is_numeric_dtype(dtype) or _are_objects(values):
        return "numbers" if _varies(read_numbers(values)) else "constant"
    labels = pd.unique(np.array(read_labels(values), dtype=object))
    present = [label for label in labels if label]
    if len(labels) < 2:
        return "constant"
    if is_text:
        return _few_or_many(present)
    if {label.lower() for label in present} <= {"true", "false"}:
        return "numbers"
    return _kind_of_text(present)


def _are_objects(values: pd.Series) -> bool:
    """Return whether an object column holds numbers of Python's own types."""
    return values.dtype == object and pd.api.types.infer_dtype(values, skipna=True) in _NUMBERS


def _varies(numbers: np.ndarray) -> bool:
    finite = numbers[~np.isnan(numbers)]
    if not len(finite):
        return False
    return len(finite) < len(numbers) or bool(np.any(finite != finite[0]))


def _kind_of_text(present: list[str]) -> Kind:
    few = _few_or_many(present)
    dates = [label for label in present if _DATE.fullmatch(label)]
    if len(dates) >= _ENOUGH * len(present):
        readable = ~np.isnat(read_moments(pd.Series(dates, dtype=object)))
        return "dates" if readable.sum() >= _ENOUGH * len(present) else few
    return few


def _few_or_many(present: list[str]) -> Kind:
    return "categories" if len(present) <= MOST_ONE_HOT else "targets"
