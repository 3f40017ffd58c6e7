"""The rows that Spark gets: features as numbers, labels, weights, and which rows only stop the fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlpipes_cli.trainers.base import Training, TrainingError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

LABEL, WEIGHTS, HELD = "label", "weight", "held"
STOPS = "validationTol"  # the param of boosted trees that asks for early stopping


def matrix(X: pd.DataFrame) -> np.ndarray:
    """Return (n, features) finite float64.

    Raises:
        TrainingError: A column is not numeric or has missing values.
    """
    import numpy as np
    import pandas as pd

    for name in X.columns:
        if not (pd.api.types.is_numeric_dtype(X[name].dtype) or pd.api.types.is_bool_dtype(X[name].dtype)):
            raise TrainingError(f"{name!r} is not numeric, and Spark needs numbers; use `preprocess: auto`")
        if X[name].isna().any():
            raise TrainingError(
                f"{name!r} has missing values, which Spark does not support; use `preprocess: auto`"
            )
    return np.ascontiguousarray(X, dtype=np.float64)


def table_of(
    training: Training, kind: Any, params: Mapping[str, Any], step: Any, X: np.ndarray, labels: Sequence[Any]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the features of the rows that Spark gets, and its other columns.

    The validation rows follow the training rows where the estimator stops early by rows that it is given, and
    the run asks for it; such rows count 1 each.

    Args:
        training: The training rows.
        kind: Spark's class.
        params: Its params.
        step: The fitted preprocessing, or None.
        X: (n, features) of the training rows.
        labels: The labels in the order of Spark's positions; empty for regression.
    """
    import numpy as np

    y, weights = _codes(training.y, labels), training.weights
    columns, held = {LABEL: y}, training.validation
    more = 0
    if held is not None and STOPS in params and hasattr(kind, "setValidationIndicatorCol"):
        judged = matrix(held.X if step is None else step.transform(held.X))
        X, more = np.concatenate([X, judged]), len(judged)
        columns[LABEL] = np.concatenate([y, _codes(held.y, labels)])
        columns[HELD] = np.arange(len(X)) >= len(y)
    if weights is not None:
        columns[WEIGHTS] = np.concatenate([weights, np.ones(more)])
    return X, columns


def arguments(columns: Mapping[str, Any]) -> dict[str, str]:
    """Return the params that name these columns."""
    names = {WEIGHTS: "weightCol", HELD: "validationIndicatorCol"}
    return {names[name]: name for name in columns if name in names}


def _codes(y: pd.Series, labels: Sequence[Any]) -> np.ndarray:
    import numpy as np

    if not labels:
        return y.to_numpy(dtype=np.float64)
    codes = {label: float(code) for code, label in enumerate(labels)}
    return np.array([codes[label] for label in y.tolist()], dtype=np.float64)
