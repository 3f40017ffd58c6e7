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


def group_codes(column: pd.Series) -> Rows:
    """Return the number of each row's group; all rows without a value are one group."""
    return pd.factorize(column, use_na_sentinel=False)[0].astype(np.int64)


@dataclass(frozen=True, eq=False)
class Prepared:
    """The data of an experiment: roles, canonical types, the split, fingerprints.

    Attributes:
        task: The kind of target.
        classes: Sorted labels as Python scalars; binary: (negative, positive); () for regression.
        positive: The positive label of a binary target.
        frame: Features, target, id, weights and groups of all rows, in canonical types, with a RangeIndex.
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
        validation: Positions of the rows that candidates are tuned on, int64, sorted; none unless the rows
            come from a data set that has some.
        weights_name: The column of the rows' weights, float64 above 0, or None.
        group_name: The column whose values stay in one part and one fold, or None.
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
    validation: Rows = field(default_factory=lambda: np.array([], dtype=np.int64))
    weights_name: str | None = None
    group_name: str | None = None

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

    def weights(self, rows: Rows) -> NDArray[np.float64] | None:
        """Return the weights of these rows; None if all rows count the same."""
        if self.weights_name is None:
            return None
        return self.frame[self.weights_name].to_numpy(dtype=np.float64)[rows]

    def groups(self, rows: Rows) -> Rows | None:
        """Return the number of the group of each of these rows; None without groups."""
        if self.group_name is None:
            return None
        return group_codes(self.frame[self.group_name])[rows]

    @property
    def seen(self) -> Rows:
        """The positions of the rows that candidates see while they are trained and tuned, sorted."""
        return np.union1d(self.train, self.validation)

    @property
    def telling_rows(self) -> int:
        """The number of holdout rows of the rarest class; for regression, of all holdout rows."""
        held = self.y(self.holdout)
        return len(held) if self.task == "regression" else int(held.value_counts().min())

    @property
    def hashed_columns(self) -> tuple[str, ...]:
        """The columns that row hashes cover: the features and the target."""
        return (*self.feature_names, self.target_name)
