"""Splits training rows into those to fit on and those to validate on: folds, or a single validation part.

Classes keep their shares. If a feature orders the rows in time, the validation rows are always later than the
rows to fit on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
            cuts = list(cutter.split(rows, None if training.task == "regression" else training.y.iloc[rows]))
    except ValueError as error:
        raise TrainingError(f"the training rows cannot be split into folds: {error}") from None
    return [Fold(rows[fit], rows[judge]) for fit, judge in cuts]


def _one(part: float, training: Training) -> Any:
    from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

    kind = ShuffleSplit if training.task == "regression" else StratifiedShuffleSplit
    return kind(1, test_size=part, random_state=training.seed)


def _several(wanted: Mapping[str, Any], training: Training) -> Any:
    from sklearn.model_selection import KFold, StratifiedKFold, TimeSeriesSplit

    number = int(wanted.get("folds") or 5)
    if training.order_by is not None:
        return TimeSeriesSplit(number)
    kind = KFold if training.task == "regression" else StratifiedKFold
    return kind(number, shuffle=True, random_state=training.seed)
