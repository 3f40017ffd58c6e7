"""Determines the task and the labels of a target column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mlpipes_cli.config.experiment import Data
from mlpipes_cli.config.yaml_source import YamlSource
from mlpipes_cli.data.canonical import canonical
from mlpipes_cli.data.problems import wrong
from mlpipes_cli.metric_catalog import Task
from mlpipes_cli.suggest import did_you_mean

MOST_NUMERIC_CLASSES = 20  # more distinct whole numbers than this are a quantity, not labels
_AT = ("data", "target")


@dataclass(frozen=True)
class Target:
    """A target column.

    Attributes:
        task: The kind of target.
        values: Labels as int64, bool or str; float64 for regression.
        classes: The labels, sorted; binary: (negative, positive); empty for regression.
        positive: The positive label of a binary target.
        warnings: Warnings for the user.
    """

    task: Task
    values: pd.Series
    classes: tuple[Any, ...] = ()
    positive: Any | None = None
    warnings: tuple[str, ...] = ()


def read_target(column: pd.Series, data: Data, source: YamlSource) -> Target:
    """Determine the task (``data.task`` overrides it) and the labels of the target.

    Two distinct values are binary; strings, booleans and at most 20 distinct whole numbers are
    labels; every other number is a quantity.

    Raises:
        ConfigError: A missing or infinite value, only one distinct value, or values that do not fit the task.
    """
    values = canonical(column)
    _no_gaps(values, data, source)
    if values.dtype.kind == "M":
        raise wrong(source, _AT, f"{data.target!r} contains dates, which cannot be a target")
    distinct = sorted(pd.unique(values).tolist())
    if len(distinct) < 2:
        raise wrong(
            source,
            _AT,
            f"{data.target!r} is {_shown(distinct[0])} in every row, so there is nothing to learn",
        )
    task: Task = _infer(values, distinct) if data.task == "auto" else data.task
    if task == "regression":
        return _regression(values, data, source)
    return _classification(task, values, distinct, data, source)


def _shown(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else repr(value)


def _no_gaps(values: pd.Series, data: Data, source: YamlSource) -> None:
    gaps = int(values.isna().sum())
    if gaps:
        raise wrong(
            source,
            _AT,
            f"{data.target!r} is missing in {gaps} of {len(values)} rows; remove or fill those rows, or set "
            "`drop_missing_target: true` to leave them out",
        )
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        endless = int((~np.isfinite(values)).sum())
        raise wrong(
            source, _AT, f"{data.target!r} is infinite in {endless} of {len(values)} rows; remove those rows"
        )


def _whole(distinct: list[Any]) -> bool:
    return all(isinstance(value, float) and value.is_integer() and abs(value) < 2**53 for value in distinct)


def _infer(values: pd.Series, distinct: list[Any]) -> Task:
    if values.dtype.kind == "f" and not _whole(distinct):
        return "regression"
    if len(distinct) == 2:
        return "binary"
    if values.dtype.kind == "f" and len(distinct) > MOST_NUMERIC_CLASSES:
        return "regression"
    return "multiclass"


def _regression(values: pd.Series, data: Data, source: YamlSource) -> Target:
    if data.positive is not None:
        raise wrong(
            source, ("data", "positive"), "needs a binary target; this one is numeric (task: regression)"
        )
    try:
        return Target("regression", values.astype("float64"))
    except ValueError:
        raise wrong(source, _AT, f"{data.target!r} contains strings; regression needs numbers") from None


def _classification(
    task: Task, values: pd.Series, distinct: list[Any], data: Data, source: YamlSource
) -> Target:
    name, rows = data.target, len(values)
    if task == "binary" and len(distinct) != 2:
        few = ", ".join(map(repr, distinct[:5]))
        raise wrong(
            source,
            _AT,
            f"{name!r} has {len(distinct)} different values ({few}, ...); a binary target needs two",
        )
    if values.dtype.kind == "f" and not _whole(distinct):
        raise wrong(
            source,
            _AT,
            f"{name!r} contains fractions such as {next(v for v in distinct if not v.is_integer())}; "
            f"{task} needs class labels (for a numeric target, use `task: regression`)",
        )
    if len(distinct) > max(100, MOST_NUMERIC_CLASSES) and len(distinct) > rows / 2:
        raise wrong(
            source,
            _AT,
            f"{name!r} has {len(distinct)} different values in {rows} rows, too many for classes",
        )
    labels, classes = _labels(values, distinct)
    warnings: tuple[str, ...] = ()
    if data.task == "auto" and task == "multiclass" and labels.dtype.kind == "i" and len(classes) > 10:
        warnings = (
            f"{name!r} is treated as {len(classes)} classes; for a numeric target, set `task: regression`",
        )
    if task == "multiclass":
        if data.positive is not None:
            raise wrong(
                source, ("data", "positive"), f"needs a binary target; this one has {len(classes)} classes"
            )
        return Target(task, labels, classes, None, warnings)
    positive = _positive(classes, data, source)
    negative = next(label for label in classes if label != positive)
    return Target(task, labels, (negative, positive), positive)


def _labels(values: pd.Series, distinct: list[Any]) -> tuple[pd.Series, tuple[Any, ...]]:
    if values.dtype.kind == "f":
        return values.astype("int64"), tuple(int(value) for value in distinct)
    return values, tuple(distinct)


def _positive(classes: tuple[Any, ...], data: Data, source: YamlSource) -> Any:
    wanted = data.positive
    if wanted is None:
        return classes[1]
    for label in classes:
        if label == wanted or str(label) == str(wanted):
            return label
    known = [str(label) for label in classes]
    shown = did_you_mean(str(wanted), known) or f"; the labels are {classes[0]!r} and {classes[1]!r}"
    if isinstance(wanted, bool) and isinstance(classes[0], str):
        shown += " (YAML reads an unquoted yes or no as true or false: put it in quotes)"
    raise wrong(source, ("data", "positive"), f"no row has the label {wanted!r}{shown}")
