"""A candidate's predictions for the holdout, validated once on construction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.metric_catalog import Task

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
AnyArray = npt.NDArray[Any]

_PROBABILITY_TOLERANCE = 1e-8  # of a row's sum; scikit-learn's tolerance for "sums to one"


@dataclass(frozen=True, eq=False)
class Predictions:
    """A model's predictions for ``n`` rows whose true target is known.

    The constructor accepts lists, Series and arrays of any suitable type and stores plain arrays:
    labels as the values of ``classes`` (1.0 becomes 1 where the class is 1), numbers as
    float64, identifiers as they are (mixed ones as text).

    Attributes:
        task: binary, multiclass or regression.
        classes: Sorted labels, binary: (negative, positive); empty for regression.
        target: (n,) the true values.
        scores: Binary (n,), the positive class's score; multiclass (n, classes), in the order of
            ``classes``; None for regression, or if the model has none.
        prediction: (n,) labels, or numbers for regression.
        ids: (n,) identifiers of the rows.

    Raises:
        MlpipesError: Lengths differ, a value is missing or infinite, or a label is not a class.
    """

    task: Task
    classes: tuple[Any, ...]
    target: AnyArray
    scores: FloatArray | None
    prediction: AnyArray
    ids: AnyArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", tuple(_plain(label) for label in self.classes))
        self._check_classes()
        target, prediction = _column(self.target, "target"), _column(self.prediction, "prediction")
        if not len(target):
            raise MlpipesError("there are no rows to score", "use a larger holdout")
        _same_length("predictions", len(prediction), len(target))
        ids = _identifiers(self.ids)
        _same_length("ids", len(ids), len(target))
        as_kind = _numbers if self.task == "regression" else self._labels
        object.__setattr__(self, "target", as_kind(target, "target"))
        object.__setattr__(self, "prediction", as_kind(prediction, "prediction"))
        object.__setattr__(self, "scores", self._checked_scores(len(target)))
        object.__setattr__(self, "ids", ids)

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(self.target)

    @property
    def target_codes(self) -> IntArray:
        """(n,) the true labels as positions in ``classes``; zeros for regression."""
        return self._codes(self.target)

    @property
    def prediction_codes(self) -> IntArray:
        """(n,) the predicted labels as positions in ``classes``; zeros for regression."""
        return self._codes(self.prediction)

    @property
    def are_probabilities(self) -> bool:
        """Whether the scores lie in [0, 1] and, with a column for each class, add up to one in each row."""
        if self.scores is None or self.scores.min() < 0.0 or self.scores.max() > 1.0:
            return False
        if self.scores.ndim == 1:
            return True
        return bool(np.allclose(self.scores.sum(axis=1), 1.0, rtol=_PROBABILITY_TOLERANCE, atol=0.0))

    def take(self, rows: npt.ArrayLike) -> Predictions:
        """Return the given rows, by position or by a mask of booleans."""
        index = np.asarray(rows)
        scores = None if self.scores is None else self.scores[index]
        return Predictions(
            self.task, self.classes, self.target[index], scores, self.prediction[index], self.ids[index]
        )

    def to_frame(self) -> pd.DataFrame:
        """Return the columns of ``holdout_predictions.parquet``: id, target, scores, prediction."""
        columns: dict[str, Any] = {"id": self.ids, "target": self.target}
        if self.scores is not None:
            scores = self.scores[:, None] if self.scores.ndim == 1 else self.scores
            columns |= dict(zip(score_columns(self.task, self.classes), scores.T, strict=True))
        return pd.DataFrame(columns | {"prediction": self.prediction})

    @staticmethod
    def from_frame(frame: pd.DataFrame, task: Task, classes: Sequence[Any]) -> Predictions:
        """Reverse :meth:`to_frame`, also after a round trip through a Parquet file.

        Raises:
            MlpipesError: A column is missing, or the content is invalid.
        """
        names = score_columns(task, classes)
        present = [name for name in names if name in frame.columns]
        needed = ["id", "target", "prediction", *(names if present else ())]
        missing = [name for name in needed if name not in frame.columns]
        if missing:
            raise MlpipesError(f"the stored predictions have no column {', '.join(map(repr, missing))}")
        scores = frame[names].to_numpy(dtype=np.float64) if present else None
        if scores is not None and task == "binary":
            scores = scores[:, 0]
        columns = (_column(frame[name], name) for name in ("target", "prediction", "id"))
        target, prediction, ids = columns
        return Predictions(task, tuple(classes), target, scores, prediction, ids)

    def _check_classes(self) -> None:
        expected = {"binary": len(self.classes) == 2, "multiclass": len(self.classes) >= 3}
        if not expected.get(self.task, not self.classes) or len(set(self.classes)) != len(self.classes):
            raise MlpipesError(f"a {self.task} target cannot have the classes {self.classes!r}")

    def _codes(self, labels: AnyArray) -> IntArray:
        codes = np.zeros(len(labels), dtype=np.int64)
        for code, label in enumerate(self.classes[1:], start=1):
            codes[labels == label] = code
        return codes

    def _labels(self, values: AnyArray, what: str) -> AnyArray:
        positions = {label: code for code, label in enumerate(self.classes)}
        codes, found = pd.factorize(values, use_na_sentinel=False)
        known = [positions.get(_plain(label), -1) for label in found]
        if -1 in known:
            stray = _plain(found[known.index(-1)])
            listed = ", ".join(map(repr, self.classes[:10])) + (", ..." if len(self.classes) > 10 else "")
            raise MlpipesError(
                f"the {what} contains {stray!r}, which is not one of the classes {listed}",
                "return labels as they appear in the target column" if what == "prediction" else "",
            )
        kinds = {type(label) for label in self.classes}
        labels = np.array(self.classes, dtype=object if kinds - {int, bool} or len(kinds) > 1 else None)
        return np.asarray(labels[np.asarray(known)[codes]])

    def _checked_scores(self, rows: int) -> FloatArray | None:
        if self.scores is None:
            return None
        if self.task == "regression":
            raise MlpipesError("a regression model has no scores", "return the predicted numbers alone")
        scores = _as_float(self.scores, "scores")
        if self.task == "binary" and scores.ndim == 2 and scores.shape[1] == 1:
            scores = scores[:, 0]
        _same_length("scores", len(scores), rows)
        shape = (rows,) if self.task == "binary" else (rows, len(self.classes))
        if scores.shape != shape:
            raise MlpipesError(
                f"the scores have the shape {scores.shape}, expected {shape}",
                "return the positive class's score"
                if self.task == "binary"
                else "return one column for each class",
            )
        _all_finite(scores, "scores")
        return scores


def score_columns(task: Task, classes: Sequence[Any]) -> list[str]:
    """Return the names of the score columns in ``holdout_predictions.parquet``."""
    if task == "multiclass":
        return [f"score_{label}" for label in classes]
    return ["score"] if task == "binary" else []


def _plain(label: Any) -> Any:
    return label.item() if isinstance(label, np.generic) else label


def _same_length(what: str, found: int, rows: int) -> None:
    if found != rows:
        raise MlpipesError(f"{found} {what} for {rows} rows", "return one for each row, in their order")


def _column(values: Any, what: str) -> AnyArray:
    """Convert to a one-dimensional array with text as objects and missing text as None."""
    if isinstance(values, pd.Series) and pd.api.types.is_extension_array_dtype(values.dtype):
        missing = values.isna().to_numpy()
        values = values.to_numpy(dtype=object)
        values[missing] = None
    array: AnyArray = np.asarray(values)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise MlpipesError(f"the {what} has the shape {array.shape}, expected one value for each row")
    return array.astype(object) if array.dtype.kind in "US" else array


def _as_float(values: Any, what: str) -> FloatArray:
    try:
        return np.ascontiguousarray(np.asarray(values), dtype=np.float64)
    except (TypeError, ValueError):
        raise MlpipesError(f"the {what} are not numbers", "return an array of floats") from None


def _numbers(values: AnyArray, what: str) -> FloatArray:
    numbers = _as_float(values, what)
    _all_finite(numbers, what)
    return numbers


def _all_finite(values: FloatArray, what: str) -> None:
    bad = ~np.isfinite(values)
    if bad.any():
        rows = bad if values.ndim == 1 else bad.any(axis=1)
        first = int(np.flatnonzero(rows)[0])
        raise MlpipesError(
            f"the {what} are missing or infinite in {int(rows.sum())} of {len(values)} rows "
            f"(the first is row {first})",
            "the model must return a finite number for every row",
        )


def _identifiers(values: Any) -> AnyArray:
    ids = _column(values, "ids")
    if ids.dtype != object:
        return ids
    missing = pd.isna(ids)
    return np.array(
        [None if gone else str(value) for value, gone in zip(ids, missing, strict=True)], dtype=object
    )
