"""Splits training rows into those to fit on and those to validate on: folds, or a single validation part.

Classes keep their shares. If a feature orders the rows in time, the validation rows are always later than the
rows to fit on. A group of rows is never divided.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mlpipes_cli.trainers.base import Training, TrainingError

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, eq=False)
class Fold:
    """The positions of training rows in a fold.

    Attributes:
        fit: The rows to fit on.
        judge: The rows to validate on.
    """

    fit: np.ndarray
    judge: np.ndarray


def tuning(wanted: Mapping[str, Any], training: Training) -> tuple[Training, list[Fold]]:
    """Return the rows that a search works on, and their folds.

    The validation rows of a data set judge what is fitted on all training rows, unless the search asks for
    ``folds`` or a ``validation`` share of the training rows.

    Raises:
        TrainingError: There are too few rows.
    """
    import numpy as np
    import pandas as pd

    held = training.validation
    if held is None or wanted.get("folds") is not None or wanted.get("validation") is not None:
        return training, folds(wanted, training)
    count, more = len(training.X), len(held.X)

    def longer(values: np.ndarray | None, filling: float) -> np.ndarray | None:
        return None if values is None else np.concatenate([values, np.full(more, filling, values.dtype)])

    both = replace(
        training,
        X=pd.concat([training.X, held.X], ignore_index=True),
        y=pd.concat([training.y, held.y], ignore_index=True),
        weights=longer(training.weights, 1.0),
        groups=longer(training.groups, -1),
    )
    return both, [Fold(np.arange(count), np.arange(count, count + more))]


def folds(wanted: Mapping[str, Any], training: Training) -> list[Fold]:
    """Split the training rows as requested: by ``folds``, or with ``validation`` as a share of the rows.

    Raises:
        TrainingError: There are too few rows.
    """
    import warnings

    import numpy as np

    rows = np.arange(len(training.X))
    if training.order_by is not None:
        rows = np.argsort(training.X[training.order_by].to_numpy(), kind="stable")
    part = wanted.get("validation")
    if part is not None and training.order_by is not None:
        last = max(1, round(len(rows) * float(part)))
        return [Fold(rows[:-last], rows[-last:])]
    cutter = _one(float(part), training) if part is not None else _several(wanted, training)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a class has fewer rows than there are folds
            labels = None if training.task == "regression" else training.y.iloc[rows]
            groups = None if training.groups is None else training.groups[rows]
            cuts = list(cutter.split(rows, labels, groups))
    except ValueError as error:
        raise TrainingError(f"the training rows cannot be split into folds: {error}") from None
    return [Fold(rows[fit], rows[judge]) for fit, judge in cuts]


def _one(part: float, training: Training) -> Any:
    from sklearn.model_selection import GroupShuffleSplit, ShuffleSplit, StratifiedShuffleSplit

    if training.groups is not None:
        return GroupShuffleSplit(1, test_size=part, random_state=training.seed)
    kind = ShuffleSplit if training.task == "regression" else StratifiedShuffleSplit
    return kind(1, test_size=part, random_state=training.seed)


def _several(wanted: Mapping[str, Any], training: Training) -> Any:
    from sklearn.model_selection import (
        GroupKFold,
        KFold,
        StratifiedGroupKFold,
        StratifiedKFold,
        TimeSeriesSplit,
    )

    number = int(wanted.get("folds") or 5)
    if training.order_by is not None:
        return TimeSeriesSplit(number)
    if training.groups is None:
        kind = KFold if training.task == "regression" else StratifiedKFold
    else:
        kind = GroupKFold if training.task == "regression" else StratifiedGroupKFold
    return kind(number, shuffle=True, random_state=training.seed)
