"""Puts predictions and scores beside the inputs, as columns of the same names on both sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlpipes_cli.lifecycle.performance.prediction_schema import of_details

if TYPE_CHECKING:
    import pandas as pd

    from mlpipes_cli.lifecycle.monitoring.frames import Gathered
    from mlpipes_cli.lifecycle.performance.prediction_schema import PredictionSchema
    from mlpipes_cli.monitoring.results import Kind
    from mlpipes_cli.scoring.predictions import Predictions

_MOST_CLASSES = 10  # with a score each; of more classes only the largest score of a row is compared


class Outcomes:
    """The columns of predictions and scores.

    Args:
        inputs: The inputs' names, which the columns must not have.
        predictions: Those of the reference.

    Attributes:
        kinds: What each of these columns is, by its name in the compared tables.
        shown: The name under which each is shown.
    """

    def __init__(self, inputs: Sequence[str], predictions: Predictions) -> None:
        self._task, self._classes = predictions.task, predictions.classes
        self._scored = predictions.scores is not None
        self._inputs = set(inputs)
        self.kinds: dict[str, Kind] = {}
        self.shown: dict[str, str] = {}
        self._add("prediction", "prediction")
        for name in self._score_names():
            self._add(name, "score")

    def reference(self, predictions: Predictions) -> dict[str, pd.Series]:
        """Return the columns of the reference."""
        import pandas as pd

        return self._columns(pd.Series(predictions.prediction).tolist(), predictions.scores)

    def current(self, gathered: Gathered, details: Mapping[str, Any]) -> dict[str, pd.Series]:
        """Return the columns of a window; a score that is not as training's scores are is missing."""
        return self._columns(self._known(gathered.prediction, of_details(details)), self._scores(gathered))

    def _add(self, name: str, kind: Kind) -> None:
        key = name
        while key in self._inputs:
            key += "_"
        self.kinds[key], self.shown[key] = kind, name

    def _score_names(self) -> list[str]:
        if not self._scored:
            return []
        many = self._task == "multiclass" and len(self._classes) <= _MOST_CLASSES
        return [f"score_{label}" for label in self._classes] if many else ["score"]

    def _columns(self, prediction: Sequence[Any], scores: Any) -> dict[str, pd.Series]:
        import numpy as np
        import pandas as pd

        first, *others = self.kinds
        if self._task == "regression":
            made = {first: pd.Series(pd.to_numeric(pd.Series(prediction, dtype=object), errors="coerce"))}
        else:
            texts = [None if value is None else str(value) for value in prediction]
            made = {first: pd.Series(texts, dtype="str")}
        if others and scores is not None:
            table = np.asarray(scores, dtype=np.float64)
            if table.ndim == 1:
                table = table[:, None]
            if table.shape[1] != len(others):
                table = table.max(axis=1, keepdims=True)
            made |= {name: pd.Series(table[:, at]) for at, name in enumerate(others)}
        return made

    def _known(self, values: Sequence[Any], schema: PredictionSchema | None) -> list[Any]:
        """Return the labels as training has them, so that 1 and 1.0 are one class."""
        if schema is None or schema.task == "regression":
            return list(values)
        return [value if (label := schema.label(value)) is None else label for value in values]

    def _scores(self, gathered: Gathered) -> Any:
        import numpy as np

        width = len(self._classes) if self._task == "multiclass" else 1
        made = np.full((gathered.rows, width), np.nan)
        for at, score in enumerate(gathered.scores):
            values = score if isinstance(score, list) else [score]
            if len(values) == width and all(isinstance(value, (int, float)) for value in values):
                made[at] = values
        return made
