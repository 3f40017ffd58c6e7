"""Linear models: one matrix product."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit
from sklearn import linear_model, svm
from sklearn.linear_model._base import LinearClassifierMixin, LinearModel
from sklearn.utils.extmath import softmax

from mlpipes_cli.server.compiled.base import CompiledScores, Details, NotCompilable
from mlpipes_cli.server.compiled.heads import head

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlpipes_cli.server.compiled.base import Answer, Matrix

    Floats = NDArray[np.float64]

_LOGISTIC = (linear_model.LogisticRegression, linear_model.LogisticRegressionCV)
_RIDGE = (linear_model.RidgeClassifier, linear_model.RidgeClassifierCV)
_LINEAR = (  # the second equals the first, except for sparse features
    LinearModel._decision_function,
    linear_model.ElasticNet._decision_function,
)


def classification(estimator: Any, details: Details, raw: bool) -> Answer:
    """Compile a classifier by the sign, or the largest, of linear functions.

    Raises:
        NotCompilable: The classifier computes its answers in a way that is not supported.
    """
    kind = type(estimator)
    if kind.decision_function is not LinearClassifierMixin.decision_function:
        raise NotCompilable("the decision function is a custom one")
    if kind in _RIDGE:
        if estimator._label_binarizer.y_type_.startswith("multilabel"):
            raise NotCompilable("the classifier has several targets")
    elif kind.predict is not LinearClassifierMixin.predict:
        raise NotCompilable("the labels are chosen by custom code")
    reading = head(estimator, details)
    two = len(reading.labels) == 2
    rows = np.atleast_2d(estimator.coef_).shape[0]
    if rows != (1 if two else len(reading.labels)):
        raise NotCompilable("the coefficients do not fit the classes")
    decide = _decision(estimator, raw)
    logistic = kind in _LOGISTIC or getattr(estimator, "loss", None) == "log_loss"
    if reading.method == "predict_proba" and not (kind in _LOGISTIC or (two and logistic)):
        raise NotCompilable("the probabilities are computed by custom code")
    if two:
        return lambda X: reading.binary(decide(X).ravel(), expit, at_zero=False)

    def answer(X: Matrix) -> CompiledScores:
        decision = decide(X)
        return reading.table(decision, softmax(decision) if reading.method == "predict_proba" else decision)

    return answer


def regression(estimator: Any, details: Details, raw: bool) -> Answer:
    """Compile a linear function.

    Raises:
        NotCompilable: The model computes its answers in a way that is not supported, or has several targets.
    """
    if type(estimator)._decision_function not in _LINEAR:
        raise NotCompilable("the linear function is a custom one")
    if np.ndim(estimator.coef_) != 1:
        raise NotCompilable("the model has several targets")
    decide = _decision(estimator, raw)
    return lambda X: CompiledScores(decide(X).ravel().tolist(), None)


def _decision(estimator: Any, raw: bool) -> Callable[[Matrix], Floats]:
    """Return a function from (n, features) to (n, outputs), or to (n,) for one-dimensional coefficients."""
    coefficients, intercept = estimator.coef_.T, estimator.intercept_
    if not isinstance(estimator.coef_, np.ndarray):
        raise NotCompilable("the coefficients are sparse")

    def decide(X: Matrix) -> Floats:
        if raw and not np.isfinite(X).all():
            raise ValueError("a linear model does not accept missing or infinite values")
        found: Floats = X @ coefficients + intercept
        return found

    return decide


_CLASSIFIERS = (
    *_LOGISTIC,
    *_RIDGE,
    linear_model.SGDClassifier,
    linear_model.Perceptron,
    svm.LinearSVC,
)
_REGRESSORS = (
    linear_model.LinearRegression,
    linear_model.Ridge,
    linear_model.RidgeCV,
    linear_model.Lasso,
    linear_model.LassoCV,
    linear_model.ElasticNet,
    linear_model.ElasticNetCV,
    linear_model.Lars,
    linear_model.LassoLars,
    linear_model.HuberRegressor,
    linear_model.TheilSenRegressor,
    svm.LinearSVR,
)
KNOWN = {
    **dict.fromkeys(_CLASSIFIERS, classification),
    **dict.fromkeys(_REGRESSORS, regression),
}
