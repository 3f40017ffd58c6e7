"""A model whose labels come from a threshold of its score. A logged model contains this module's code.

scikit-learn's ``FixedThresholdClassifier`` does the same for scikit-learn classifiers. Models of other
frameworks are not scikit-learn classifiers, and the environments of some runs have older releases without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin


class Thresholded(ClassifierMixin, BaseEstimator):  # type: ignore[misc,unused-ignore]
    """A binary model that predicts the positive class if the score is at least the threshold.

    The score is the positive class's, of ``predict_proba``, else of ``decision_function``, compared as
    float64. All methods but ``predict`` are those of the model.

    Args:
        estimator: The fitted model.
        threshold: The threshold of the positive class's score.
        labels: (negative, positive).
    """

    def __init__(self, estimator: Any, threshold: float, labels: Sequence[Any]) -> None:
        self.estimator = estimator
        self.threshold = threshold
        self.labels = labels

    def fit(self, X: Any, y: Any, **params: Any) -> Thresholded:
        """Fit the model again and keep the threshold."""
        self.estimator.fit(X, y, **params)
        return self

    @property
    def classes_(self) -> Any:
        """The model's classes, in its order."""
        own = getattr(self.estimator, "classes_", None)
        return np.asarray(sorted(self.labels) if own is None else own)

    def predict(self, X: Any) -> Any:
        """Return (n,) labels."""
        own = self.classes_
        known = own.tolist()
        positive, negative = known.index(self.labels[1]), known.index(self.labels[0])
        return own[np.where(self._scores(X, positive) >= self.threshold, positive, negative)]

    def __getattr__(self, name: str) -> Any:
        if name in {"predict_proba", "decision_function"} and "estimator" in self.__dict__:
            return getattr(self.estimator, name)
        raise AttributeError(name)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def _scores(self, X: Any, positive: int) -> Any:
        """Return (n,) float64 scores."""
        ask = getattr(self.estimator, "predict_proba", None)
        sums_to_one = ask is not None
        if ask is None:
            ask = self.estimator.decision_function
        found = np.asarray(ask(X), dtype=np.float64)
        if found.ndim == 2 and found.shape[1] > 1:
            return found[:, positive]
        second = found.reshape(len(found))
        if positive == 1:
            return second
        return 1.0 - second if sums_to_one else -second
