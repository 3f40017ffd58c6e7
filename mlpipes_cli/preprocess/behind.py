"""A model of any kind behind a preprocessing step. A logged model carries this module's code with it."""

from __future__ import annotations

from typing import Any


class Behind:
    """Answers raw rows: the step transforms them, the model is asked.

    For models that scikit-learn's Pipeline does not take, since they are no estimators of its kind.

    Args:
        step: A fitted transformer.
        model: Anything with ``predict``, and with ``predict_proba`` or ``decision_function`` if it likes.
    """

    def __init__(self, step: Any, model: Any) -> None:
        self.step, self.model = step, model

    def predict(self, X: Any) -> Any:
        """What the model says about the rows."""
        return self.model.predict(self.step.transform(X))

    def __getattr__(self, name: str) -> Any:
        if name in {"predict_proba", "decision_function"}:
            ask = getattr(self.model, name)
            return lambda X: ask(self.step.transform(X))
        if name == "classes_":
            return self.model.classes_
        raise AttributeError(name)


def behind(step: Any, model: Any) -> Any:
    """A Pipeline of both where the model is a fitted estimator, else a :class:`Behind`."""
    from sklearn.exceptions import NotFittedError
    from sklearn.pipeline import Pipeline
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(model)
    except (TypeError, NotFittedError, AttributeError):  # of a class that is no BaseEstimator, too
        return Behind(step, model)
    return Pipeline([("preprocess", step), ("model", model)])
