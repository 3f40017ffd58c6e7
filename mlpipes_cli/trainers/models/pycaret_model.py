"""A PyCaret pipeline in the experiment's own labels. A logged model contains this module's code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


class PycaretModel:
    """Predicts rows with a pipeline that was fitted on the positions of the sorted labels.

    Args:
        pipeline: The result of PyCaret's ``finalize_model``.
        features: The columns, in order.
        labels: The labels by position; () for regression.
    """

    def __init__(self, pipeline: Any, features: Sequence[str], labels: Sequence[Any]) -> None:
        import numpy as np

        self.pipeline, self.features = pipeline, tuple(features)
        if labels:
            plain = {type(label) for label in labels} in ({int}, {bool})
            self.classes_ = np.array(labels) if plain else np.array(labels, dtype=object)

    def predict(self, X: Any) -> np.ndarray:
        """Return (n,) labels, or float64."""
        import numpy as np

        found = np.asarray(self.pipeline.predict(self._frame(X)))
        if "classes_" in vars(self):
            answered: np.ndarray = self.classes_[found.astype(np.int64)]
            return answered
        return found.astype(np.float64)

    def __getattr__(self, name: str) -> Any:
        if name not in {"predict_proba", "decision_function"} or "pipeline" not in vars(self):
            raise AttributeError(name)
        ask = getattr(self.pipeline, name)
        return lambda X: ask(self._frame(X))

    def _frame(self, X: Any) -> pd.DataFrame:
        return plain(X[list(self.features)])


def plain(X: pd.DataFrame) -> pd.DataFrame:
    """Return a copy with types that PyCaret supports: strings as objects, nanoseconds, rows from 0."""
    import pandas as pd

    found = X.reset_index(drop=True)
    for name in found.columns:
        kind = found[name].dtype
        if pd.api.types.is_datetime64_any_dtype(kind):
            found[name] = found[name].astype("datetime64[ns]")
        elif isinstance(kind, pd.StringDtype):
            found[name] = found[name].astype(object)
    return found
