"""The prepared data of an experiment, which all candidates share. Imports only numpy and pandas."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlpipes_cli.metric_catalog import Task

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Prepared:
    """The data of an experiment: roles, canonical types, the split, fingerprints.

    Attributes:
        task: The kind of target.
        classes: Sorted labels as Python scalars; binary: (negative, positive); () for regression.
        positive: The positive label of a binary target.
        frame: Features, target and id of all rows, in canonical types, with a RangeIndex.
        feature_names: In the order of the source.
        target_name: The target's column.
        id_name: The id column, or None.
        train: Positions of the training rows, int64, sorted.
        holdout: Positions of the holdout rows, int64, sorted.
        fingerprint: SHA-256 over content, roles and split.
        holdout_fingerprint: SHA-256 over the holdout rows in any order.
        warnings: Warnings for the user, one line each.
        images: Names of the features that are images; each value is the bytes of an image file, or None.
        booleans: Names of the features whose 1, 0 and NaN are true, false and missing.
    """

    task: Task
    classes: tuple[Any, ...]
    positive: Any | None
    frame: pd.DataFrame
    feature_names: tuple[str, ...]
    target_name: str
    id_name: str | None
    train: Rows
    holdout: Rows
    fingerprint: str
    holdout_fingerprint: str
    warnings: tuple[str, ...] = field(default=())
    images: tuple[str, ...] = field(default=())
    booleans: tuple[str, ...] = field(default=())

    def X(self, rows: Rows | None = None) -> pd.DataFrame:
        """Return the features of these rows, or of all rows."""
        features = self.frame[list(self.feature_names)]
        return features if rows is None else features.iloc[rows]

    def y(self, rows: Rows | None = None) -> pd.Series:
        """Return the target of these rows: labels, or float64 for regression."""
        target = self.frame[self.target_name]
        return target if rows is None else target.iloc[rows]

    def ids(self, rows: Rows | None = None) -> pd.Series:
        """Return the ids of these rows: the id column, else the row numbers from 0.

        Rows that were dropped for lack of a target are not counted.
        """
        if self.id_name is not None:
            ids = self.frame[self.id_name]
        else:
            ids = pd.Series(np.arange(len(self.frame), dtype=np.int64), name="row")
        return ids if rows is None else ids.iloc[rows]

    @property
    def telling_rows(self) -> int:
        """The number of holdout rows of the rarest class; for regression, of all holdout rows."""
        held = self.y(self.holdout)
        return len(held) if self.task == "regression" else int(held.value_counts().min())

    @property
    def hashed_columns(self) -> tuple[str, ...]:
        """The columns that row hashes cover: the features and the target."""
        return (*self.feature_names, self.target_name)
