"""Splits the data of an experiment: the same rows and seed give the same holdout on any machine."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlpipes_cli.config.experiment import Data
from mlpipes_cli.config.yaml_source import YamlSource
from mlpipes_cli.data import given_split
from mlpipes_cli.data.canonical import canonical
from mlpipes_cli.data.problems import wrong
from mlpipes_cli.data.rows import mix
from mlpipes_cli.data.target import Target
from mlpipes_cli.ports.data_sets.datasets import SPLIT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Rows = NDArray[np.int64]

FEWEST_ROWS = 10
_AT = ("data", "split")


@dataclass(frozen=True, eq=False)
class RowSplit:
    """The parts of the rows, as sorted positions.

    Attributes:
        train: The training rows.
        validation: The rows that candidates are tuned on; none unless a data set has some.
        holdout: The holdout rows.
        warnings: Warnings for the user, one line each.
    """

    train: Rows
    validation: Rows
    holdout: Rows
    warnings: tuple[str, ...] = ()


def split_rows(frame: pd.DataFrame, target: Target, data: Data, source: YamlSource) -> RowSplit:
    """Split the rows; those of a data set are split already.

    Without ``by`` the rows are drawn by a hash of their position and the seed, which no library's
    random stream can change; with ``stratify``, separately from each class of a classification target.
    With ``by`` the holdout is the latest share of the rows: rows with the same value keep the order
    of the source, and rows with a missing value count as the earliest. With ``group`` whole groups are
    drawn.

    Raises:
        ConfigError: Too few rows, a class that cannot be in both parts, a column that has no order.
    """
    rows, split = len(frame), data.split
    warnings: list[str] = []
    validation = np.array([], dtype=np.int64)
    if rows < FEWEST_ROWS:
        raise wrong(
            source,
            ("data", "source"),
            f"only {rows} rows; training and holdout need at least {FEWEST_ROWS}",
        )
    if data.dataset is not None:
        holdout, validation = given_split.by_parts(frame[SPLIT], data, source)
    elif split.by is not None:
        order, warnings = _by_time(frame[split.by], data, source)
        holdout = order[rows - _share(rows, split.test) :]
    elif split.group is not None:
        holdout = given_split.by_groups(frame[split.group], split.test, split.seed, data, source)
    elif split.stratify and target.task != "regression":
        holdout = _stratified(target, data, source)
    else:
        holdout = _shuffled(rows, split.seed)[: _share(rows, split.test)]
    chosen = np.zeros(rows, dtype=bool)
    chosen[holdout] = True
    held = np.flatnonzero(chosen)
    chosen[validation] = True
    train = np.flatnonzero(~chosen)
    _check_classes(target, train, held, data, source)
    return RowSplit(train.astype(np.int64), validation, held.astype(np.int64), tuple(warnings))


def _share(rows: int, test: float) -> int:
    return min(max(math.floor(rows * test + 0.5), 1), rows - 1)


def _shuffled(rows: int, seed: int) -> Rows:
    salt = mix(mix(np.array([seed], dtype=np.uint64)))
    return np.argsort(mix(np.arange(rows, dtype=np.uint64) ^ salt), kind="stable")


def _stratified(target: Target, data: Data, source: YamlSource) -> Rows:
    order = _shuffled(len(target.values), data.split.seed)
    shuffled = target.values.to_numpy()[order]
    parts = []
    for label in target.classes:
        members = order[shuffled == label]
        if len(members) < 2:
            raise wrong(
                source,
                (*_AT, "stratify"),
                f"the class {label!r} of {data.target!r} has only one row, which cannot be in "
                "both parts; remove it or merge it with another class",
            )
        parts.append(members[: _share(len(members), data.split.test)])
    return np.concatenate(parts)


def _by_time(column: pd.Series, data: Data, source: YamlSource) -> tuple[Rows, list[str]]:
    where, name = (*_AT, "by"), data.split.by
    values = canonical(column)
    if not pd.api.types.is_numeric_dtype(values.dtype) and values.dtype.kind != "M":
        values = pd.to_datetime(values.astype("str"), format="ISO8601", errors="coerce", utc=True)
        if values.notna().sum() <= column.notna().sum() / 2:
            raise wrong(
                source,
                where,
                f"{name!r} contains neither numbers nor ISO dates (2024-05-31), so rows cannot be "
                "ordered by it",
            )
    if values.nunique() < 2:
        raise wrong(source, where, f"{name!r} has only one value, so rows cannot be ordered by it")
    gaps = int(values.isna().sum())
    warnings = (
        [f"{name!r} is missing or unreadable in {gaps} rows; they are treated as the earliest"]
        if gaps
        else []
    )
    ranks: Any = values.rank(method="dense").fillna(0).to_numpy()
    return np.argsort(ranks, kind="stable"), warnings


def _check_classes(target: Target, train: Rows, holdout: Rows, data: Data, source: YamlSource) -> None:
    """Check that every class has training rows and that the holdout has at least two classes."""
    if target.task == "regression":
        return
    labels = target.values.to_numpy()
    unseen = [label for label in target.classes if not np.any(labels[train] == label)]
    held = [label for label in target.classes if np.any(labels[holdout] == label)]
    fix = _another_split(data)
    at = _AT if data.dataset is None else ("data", "source")
    if unseen:
        shown = ", ".join(map(repr, unseen[:5]))
        raise wrong(source, at, f"no training row has the class {shown}{fix}")
    if len(held) < 2:
        raise wrong(source, at, f"every holdout row has the class {held[0]!r}{fix}")


def _another_split(data: Data) -> str:
    """Return a hint on how to get every class into both parts, from the settings that apply."""
    if data.dataset is not None:
        return "; prepare a version with another split"
    if data.split.group is not None:
        return "; choose another `seed` or `test` share"
    if data.split.by is not None:
        latest = f"the latest rows by {data.split.by!r} form the holdout"
        return f"; {latest}: choose another `test` share or remove `by`"
    if data.split.stratify:
        return "; choose another `test` share"
    return "; use `stratify: true`, another `test` share, or another `seed`"
