"""Feature importance: the model's own values if it has any, else permutation importance.

Permutation importance (Breiman 2001, for any model as in Fisher, Rudin and Dominici 2019): how
much the metric worsens on training rows when one raw feature's values are shuffled among them.
The holdout is not touched.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from mlpipes_cli.trainers.base import Fitted, Trainer, Training

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_ROWS, _TOTAL, _SECONDS = 300, 15_000, 5.0  # sampled rows; predicted rows in all; time limit


def importances(trainer: Trainer, fitted: Fitted, training: Training) -> pd.DataFrame | None:
    """Return a table of ``feature``, ``importance`` and ``kind``, the largest importance first.

    Return None if no importance can be computed.
    """
    import pandas as pd

    own = _own(fitted.model, training)
    if own is not None:
        names, values, kind = own
    else:
        found = _by_permutation(trainer, fitted, training)
        if found is None:
            return None
        names, values, kind = list(training.X.columns), found, "permutation"
    table = pd.DataFrame({"feature": names, "importance": values, "kind": kind})
    order = table["importance"].abs().sort_values(ascending=False, kind="stable").index
    return table.loc[order].reset_index(drop=True)


def _own(model: Any, training: Training) -> tuple[list[str], np.ndarray, str] | None:
    import numpy as np

    last = model.steps[-1][1] if hasattr(model, "steps") else model
    for attribute, kind in (("feature_importances_", "estimator"), ("coef_", "coefficient")):
        try:
            values = np.asarray(getattr(last, attribute), dtype=np.float64)
        except (AttributeError, TypeError, ValueError):
            continue
        if values.ndim == 2:
            values = values[0] if len(values) == 1 else np.abs(values).mean(axis=0)
        if kind == "coefficient" and training.task == "binary":
            values = values * _towards_positive(last, training)
        names = _names(model, last, training)
        if names is not None and len(names) == len(values) and np.isfinite(values).all():
            return names, values, kind
    return None


def _towards_positive(last: Any, training: Training) -> float:
    """Return the sign that makes coefficients of the estimator's second class refer to the positive class."""
    own = list(getattr(last, "classes_", training.classes))
    return 1.0 if len(own) != 2 or own[1] == training.classes[1] else -1.0


def _names(model: Any, last: Any, training: Training) -> list[str] | None:
    if model is last:
        return [str(name) for name in training.X.columns]
    try:
        return [str(name) for name in model[:-1].get_feature_names_out()]
    except (AttributeError, TypeError, ValueError):
        return None


def _by_permutation(trainer: Trainer, fitted: Fitted, training: Training) -> np.ndarray | None:
    """Compute permutation importance with a single prediction call for all shuffled copies."""
    import numpy as np
    import pandas as pd

    features = list(training.X.columns)
    rows = min(_ROWS, _TOTAL // len(features), len(training.X))
    if rows < 30:
        return None
    draw = np.random.default_rng(training.seed)
    chosen = np.sort(draw.choice(len(training.X), rows, replace=False))
    X, y = training.X.iloc[chosen], training.y.iloc[chosen]
    started = time.monotonic()
    base = _loss(trainer, fitted, training, [X], y)[0]
    if (time.monotonic() - started) * len(features) > _SECONDS:
        return None
    shuffled = []
    for name in features:
        copy = X.copy()
        copy[name] = X[name].iloc[draw.permutation(rows)].set_axis(X.index)
        shuffled.append(copy)
    try:
        losses = _loss(trainer, fitted, training, shuffled, y)
    except MemoryError:
        return None
    return np.asarray(pd.Series(losses) - base, dtype=np.float64)


def _loss(
    trainer: Trainer, fitted: Fitted, training: Training, frames: list[pd.DataFrame], y: pd.Series
) -> list[float]:
    """Return the loss on each frame: squared error, the Brier score or the share of wrong labels.

    A proper score depends on every row, so it is more informative for a small sample than a ranking metric.
    """
    import numpy as np
    import pandas as pd

    rows = len(y)
    together = pd.concat(frames, ignore_index=True)
    given = trainer.answer(fitted, together, training.task, training.classes)
    losses = []
    for position in range(len(frames)):
        part = slice(position * rows, (position + 1) * rows)
        prediction = given.prediction[part]
        if training.task == "regression":
            losses.append(float(np.mean((prediction - y.to_numpy()) ** 2)))
            continue
        scores = None if given.scores is None else given.scores[part]
        losses.append(_label_loss(scores, prediction, y, training))
    return losses


def _label_loss(scores: np.ndarray | None, prediction: np.ndarray, y: pd.Series, training: Training) -> float:
    import numpy as np

    truth = y.to_numpy()
    if scores is None or scores.min() < 0.0 or scores.max() > 1.0:
        return float(np.mean([p != t for p, t in zip(prediction, truth, strict=True)]))
    if scores.ndim == 1:
        return float(np.mean((scores - (truth == training.classes[1])) ** 2))
    wanted = np.stack([truth == label for label in training.classes], axis=1)
    return float(np.mean(((scores - wanted) ** 2).sum(axis=1)))
