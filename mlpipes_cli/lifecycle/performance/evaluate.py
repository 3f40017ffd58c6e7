"""Computes the metrics of collected rows, each with its interval; with too few rows, there are none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.lifecycle.performance.collect import CollectedRows
from mlpipes_cli.lifecycle.performance.prediction_schema import PredictionSchema

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mlpipes_cli.scoring.predictions import Predictions


@dataclass(frozen=True)
class MetricValue:
    """The metrics of a version on some rows.

    Attributes:
        metrics: By name.
        intervals: The 95 % interval of each; None if there are too few rows for one.
        ids: How many caller ids the usable rows have; a row without one counts as one.
        prevalence: The positive class's share of the truths; None unless the task is binary.
        unusable: Rows whose truth or prediction is not a class or number of the model.
        note: Why metrics are missing, or an empty text.
    """

    metrics: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float] | None]
    ids: int
    prevalence: float | None
    unusable: int
    note: str


def judge(rows: CollectedRows, schema: PredictionSchema, values: Sequence[Any]) -> MetricValue:
    """Score the collected rows.

    Args:
        rows: Predictions, scores and truths of a version.
        schema: The schema of its predictions.
        values: The JSON value at each position.
    """
    made = usable(rows, schema, values)
    if made is None:
        return MetricValue({}, {}, 0, None, rows.rows, "the model knows none of the true values")
    predictions, units, unusable = made.predictions, made.units, int((~made.kept).sum())
    from mlpipes_cli.scoring.live import measure

    prevalence = float(predictions.target_codes.mean()) if schema.task == "binary" else None
    found = measure(predictions, units)
    ids = int(units.max()) + 1
    return MetricValue(found.metrics, found.intervals, ids, prevalence, unusable, found.note)


@dataclass(frozen=True, eq=False)
class Usable:
    """The rows whose truth and prediction the model knows.

    Attributes:
        predictions: The rows.
        units: (rows,) each one's caller, numbered from 0.
        kept: (collected rows,) which of the collected rows they are.
    """

    predictions: Predictions
    units: NDArray[np.int64]
    kept: NDArray[np.bool_]


def usable(rows: CollectedRows, schema: PredictionSchema, values: Sequence[Any]) -> Usable | None:
    """Return the usable rows; None if none is usable.

    Args:
        rows: Predictions, scores and truths of a version.
        schema: The schema of its predictions.
        values: The JSON value at each position.
    """
    import numpy as np

    from mlpipes_cli.scoring.predictions import Predictions

    truth, prediction = np.asarray(rows.truth), np.asarray(rows.prediction)
    meaning = _meanings(schema, values, np.union1d(truth, prediction).tolist())
    known = np.array([meaning.get(p) is not None for p in range(len(values))])
    keep = known[truth] & known[prediction]
    if not keep.any():
        return None
    scores = rows.joined_scores()
    if scores is not None:
        scores = scores[keep]
        if schema.task == "multiclass":
            wide = schema.columns is not None and scores.ndim == 2 and scores.shape[1] == len(schema.classes)
            scores = scores[:, list(schema.columns or ())] if wide else None
        elif schema.task == "regression" or scores.ndim != 1:
            scores = None
    lookup = np.empty(len(values), dtype=object)
    for position, label in meaning.items():
        lookup[position] = label
    try:
        made = Predictions(
            schema.task,
            schema.classes,
            lookup[truth[keep]],
            scores,
            lookup[prediction[keep]],
            np.arange(int(keep.sum())),
        )
    except MlpipesError:
        return None
    units = np.unique(rows.units()[keep], return_inverse=True)[1]
    return Usable(made, units.astype(np.int64), keep)


def _meanings(schema: PredictionSchema, values: Sequence[Any], positions: Sequence[int]) -> dict[int, Any]:
    """Return the class or number at each position; None for a value that is neither."""
    import math

    def number(value: Any) -> float | None:
        good = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        return float(value) if good else None

    means = number if schema.task == "regression" else schema.label
    return {position: means(values[position]) for position in positions}
