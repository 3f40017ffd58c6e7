"""A model of any framework behind a preprocessing step. A logged model contains this module's code."""

from __future__ import annotations

from typing import Any


class PreprocessedModel:
    """Transforms raw rows with the step, then predicts with the model.

    For models that are not scikit-learn estimators, so that scikit-learn's Pipeline does not accept them.

    Args:
        step: A fitted transformer.
        model: Anything with ``predict``, and optionally ``predict_proba`` or ``decision_function``.
    """

    def __init__(self, step: Any, model: Any) -> None:
        self.step, self.model = step, model

    def predict(self, X: Any) -> Any:
        """Predict the rows."""
        return self.model.predict(self.step.transform(X))

    def __getattr__(self, name: str) -> Any:
        if name in {"predict_proba", "decision_function"}:
            ask = getattr(self.model, name)
            return lambda X: ask(self.step.transform(X))
        if name == "classes_":
            return self.model.classes_
        raise AttributeError(name)


def with_preprocessing(step: Any, model: Any) -> Any:
    """Return a Pipeline of both if the model is a fitted estimator, else a :class:`PreprocessedModel`."""
    from sklearn.exceptions import NotFittedError
    from sklearn.pipeline import Pipeline
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(model)
    except (TypeError, NotFittedError, AttributeError):  # also raised if the class is not a BaseEstimator
        return PreprocessedModel(step, model)
    return Pipeline([("preprocess", step), ("model", model)])
