"""What H2O gets besides the features of the training rows: weights, and folds that divide no group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlpipes_cli.trainers.base import Training
from mlpipes_cli.trainers.h2o_automl.frame import FOLD, WEIGHTS
from mlpipes_cli.trainers.search.folds import folds

if TYPE_CHECKING:
    import numpy as np


def more(training: Training, params: dict[str, Any]) -> dict[str, np.ndarray]:
    """Return further columns of the training rows, (n,) float64 by name.

    With groups, the fold of each row takes the place of ``nfolds``, which is changed in ``params`` if it is
    not 0.

    Raises:
        TrainingError: There are too few groups.
    """
    import numpy as np

    found: dict[str, np.ndarray] = {}
    if training.weights is not None:
        found[WEIGHTS] = training.weights
    number = params["nfolds"]
    if training.groups is not None and number:
        found[FOLD] = np.zeros(len(training.X))
        for fold, rows in enumerate(folds({"folds": number if number > 0 else 5}, training)):
            found[FOLD][rows.judge] = fold
    return found


def arguments(given: Mapping[str, Any]) -> dict[str, str]:
    """Return the arguments of ``train`` that name these columns."""
    names = {WEIGHTS: "weights_column", FOLD: "fold_column"}
    return {names[name]: name for name in given}


def equal(given: Mapping[str, Any], count: int) -> dict[str, np.ndarray]:
    """Return the same columns for rows that all count the same."""
    import numpy as np

    return {name: np.ones(count) for name in given}
