"""Gets predictions and scores in the experiment's labels from a model with scikit-learn's interface."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mlpipes_cli.metric_catalog import Task
from mlpipes_cli.trainers.base import Answers, TrainingError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def answers(model: Any, X: pd.DataFrame, task: Task, classes: tuple[Any, ...]) -> Answers:
    """Call ``predict``, and ``predict_proba`` or else ``decision_function`` if the model has one.

    Labels are not turned into scores, since ranking and probability metrics mean nothing for a model without
    scores.

    Raises:
        TrainingError: The model's output does not match the rows or the labels.
    """
    import numpy as np

    predicted = _rows_of("predict", np.asarray(model.predict(X)), len(X))
    if predicted.ndim == 2 and predicted.shape[1] == 1:
        predicted = predicted[:, 0]
    if predicted.ndim != 1:
        raise TrainingError(
            f"predict returned an array of shape {predicted.shape}, expected one value per row"
        )
    if task == "regression":
        return Answers(_numbers(predicted), None)
    prediction = _labels(predicted, classes)
    scores = _scores(model, X, classes)
    if scores is None:
        return Answers(prediction, None)
    if not np.isfinite(scores).all():
        raise TrainingError("the scores contain NaN or infinite values")
    return Answers(prediction, scores[:, 1] if task == "binary" else scores)


def _rows_of(method: str, values: np.ndarray, rows: int) -> np.ndarray:
    if values.ndim == 0 or len(values) != rows:
        raise TrainingError(f"{method} returned the shape {values.shape} for {rows} rows")
    return values


def _numbers(values: np.ndarray) -> np.ndarray:
    import numpy as np

    try:
        numbers = values.astype(np.float64)
    except (TypeError, ValueError):
        raise TrainingError("predict returned values that are not numbers") from None
    if not np.isfinite(numbers).all():
        raise TrainingError("predict returned NaN or infinite values")
    return numbers


def _labels(values: np.ndarray, classes: Sequence[Any]) -> np.ndarray:
    """Convert the values to the experiment's own label objects."""
    import numpy as np

    known = {label: label for label in classes}
    found = [known.get(value, _NOTHING) for value in values.tolist()]
    wrong = next((v for v, f in zip(values.tolist(), found, strict=True) if f is _NOTHING), None)
    if wrong is not None:
        shown = ", ".join(map(repr, classes[:5]))
        raise TrainingError(f"predict returned {wrong!r}, which is not a label of the target ({shown})")
    kinds = {type(label) for label in classes}
    return np.array(found) if kinds in ({int}, {bool}) else np.array(found, dtype=object)


_NOTHING = object()


def _scores(model: Any, X: pd.DataFrame, classes: tuple[Any, ...]) -> np.ndarray | None:
    """Return (n, classes) scores in the order of the classes; None for a model without scores."""
    import numpy as np

    for method in ("predict_proba", "decision_function"):
        ask = getattr(model, method, None)  # an SVC without probabilities lacks it by design
        if ask is None:
            continue
        raw = _rows_of(method, np.asarray(ask(X), dtype=np.float64), len(X))
        return _by_class(method, raw, _model_classes(model, classes), classes)
    return None


def _model_classes(model: Any, classes: tuple[Any, ...]) -> list[Any]:
    own = getattr(model, "classes_", None)
    return sorted(classes) if own is None else list(getattr(own, "tolist", lambda: own)())


def _by_class(method: str, raw: np.ndarray, own: list[Any], classes: tuple[Any, ...]) -> np.ndarray:
    """Reorder the columns of a model with its own order of classes into the experiment's order."""
    import numpy as np

    if raw.ndim == 1 or (raw.ndim == 2 and raw.shape[1] == 1 and len(own) == 2):
        second = raw.reshape(len(raw))  # of two classes: the score of the second
        raw = np.stack([1.0 - second if method == "predict_proba" else -second, second], axis=1)
    if raw.ndim != 2 or raw.shape[1] != len(own):
        raise TrainingError(f"{method} returned an array of shape {raw.shape} for {len(own)} classes")
    unknown = [label for label in own if label not in classes]
    if unknown:
        raise TrainingError(f"the model's class {unknown[0]!r} is not a label of the target")
    lowest = 0.0 if method == "predict_proba" else float(raw.min()) - 1.0
    scores = np.full((len(raw), len(classes)), lowest)
    for column, label in enumerate(own):
        scores[:, classes.index(label)] = raw[:, column]
    return scores
