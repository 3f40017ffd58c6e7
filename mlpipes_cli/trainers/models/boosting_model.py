"""Adapts boosting libraries to scikit-learn's interface. A logged model contains this module's code."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator


class Boosted(BaseEstimator):  # type: ignore[misc,unused-ignore]
    """An estimator of a boosting library that gets data it accepts, and labels from 0 on.

    Predictions are in the labels that it was fitted with, one for each row.

    Args:
        estimator: The estimator; ``fit`` fits it in place.
        labels: Whether the target has classes.
        rename: Whether the library refuses the columns' names.
        categories: A transformer that creates its categories, or None.
    """

    def __init__(
        self, estimator: Any, labels: bool = True, rename: bool = True, categories: Any = None
    ) -> None:
        self.estimator = estimator
        self.labels = labels
        self.rename = rename
        self.categories = categories

    def fit(self, X: Any, y: Any, validation: Any = None, sample_weight: Any = None) -> Boosted:
        """Fit; ``validation``, rows as (X, y) or a mask of these, decides when to stop early."""
        frame, target = self._plain(X), np.asarray(y)
        if self.labels:
            self.classes_, target = _codes(y)
        given: dict[str, Any] = {}
        if isinstance(validation, tuple):
            given["eval_set"] = [(self._plain(validation[0]), self._target(validation[1]))]
        elif validation is not None:
            held = np.asarray(validation, dtype=bool)
            given["eval_set"] = [(frame[held], target[held])]
            frame, target = frame[~held], target[~held]
            sample_weight = None if sample_weight is None else np.asarray(sample_weight)[~held]
        if sample_weight is not None:
            given["sample_weight"] = sample_weight
        self.estimator.fit(frame, target, **given)
        self.n_features_in_ = frame.shape[1]
        return self

    def _target(self, y: Any) -> Any:
        if not self.labels:
            return np.asarray(y)
        code_of = {label: position for position, label in enumerate(self.classes_.tolist())}
        return np.array([code_of[label] for label in np.asarray(y).tolist()], dtype=np.int64)

    def predict(self, X: Any) -> Any:
        """Return (n,) labels or numbers."""
        found = np.asarray(self.estimator.predict(self._plain(X))).reshape(len(X), -1)[:, 0]
        return self.classes_[found.astype(np.int64)] if self.labels else found

    def __getattr__(self, name: str) -> Any:
        if name == "predict_proba" and self.__dict__.get("labels"):
            return lambda X: self.estimator.predict_proba(self._plain(X))
        if name == "feature_importances_" and "estimator" in self.__dict__:
            return self.estimator.feature_importances_
        raise AttributeError(name)

    def __sklearn_is_fitted__(self) -> bool:
        return "n_features_in_" in self.__dict__

    def _plain(self, X: Any) -> Any:
        frame = X if isinstance(X, pd.DataFrame) else pd.DataFrame(X)
        if self.categories is not None:
            frame = self.categories.transform(frame)
        if not self.rename:
            return frame
        return frame.set_axis([f"f{position}" for position in range(frame.shape[1])], axis=1)


def _codes(y: Any) -> tuple[Any, Any]:
    """Return the sorted labels, and each row's position among them."""
    labels = sorted(set(np.asarray(y).tolist()))
    code_of = {label: position for position, label in enumerate(labels)}
    codes = np.array([code_of[label] for label in np.asarray(y).tolist()], dtype=np.int64)
    plain = {type(label) for label in labels} in ({int}, {bool})
    return np.array(labels) if plain else np.array(labels, dtype=object), codes
