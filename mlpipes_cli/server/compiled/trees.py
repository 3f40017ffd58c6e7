"""Single trees and gradient boosting, through scikit-learn's own traversal of its trees."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)

from mlpipes_cli.server.compiled.base import CompiledScores, Details, NotCompilable
from mlpipes_cli.server.compiled.heads import boosted, head

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlpipes_cli.server.compiled.base import Answer, Matrix

    Floats = NDArray[np.float64]
    Singles = NDArray[np.float32]

_STEADY = {"prior", "most_frequent", "constant", "mean", "median", "quantile"}
_AT_ONCE = 200_000  # visits of trees by rows, after which other threads may run


def singles(raw: bool, gaps: bool) -> Callable[[Matrix], Singles]:
    """Return a function to the float32 values that trees compare.

    Args:
        raw: Whether values come from a client; the preprocessing's output is finite.
        gaps: Whether the trees support missing values.
    """

    def convert(X: Matrix) -> Singles:
        with np.errstate(over="ignore"):
            values = X.astype(np.float32)
        finite = np.isfinite(values)
        if not finite.all() and not (gaps and not np.isinf(values).any()):
            raise ValueError("the trees do not accept missing, infinite or very large values")
        return values

    return convert if raw else lambda X: X.astype(np.float32)


def takes_gaps(tree: Any) -> bool:
    """Return whether a tree, or a forest of such trees, answers rows with missing values."""
    return bool(tree._support_missing_values(np.zeros((1, 1), dtype=np.float32)))


def boosting(estimator: Any, details: Details, raw: bool) -> Answer:
    """Compile gradient boosting: one call goes through all trees.

    Raises:
        NotCompilable: Its initial prediction is not a constant, or its trees are not scikit-learn's.
    """
    from sklearn.ensemble._gradient_boosting import predict_stages

    trees = estimator.estimators_
    if any(type(tree) is not DecisionTreeRegressor for tree in trees.ravel()):
        raise NotCompilable("the trees are not scikit-learn's")
    first = estimator.init_
    if not isinstance(first, str) and (
        type(first) not in (DummyClassifier, DummyRegressor) or first.strategy not in _STEADY
    ):
        raise NotCompilable("the boosting starts from a custom estimator")
    start = estimator._raw_predict_init(np.zeros((1, estimator.n_features_in_), dtype=np.float32))
    rate = estimator.learning_rate
    convert = singles(raw, gaps=False)

    def decide(X: Matrix) -> Floats:
        values = convert(X)
        decision: Floats = np.repeat(start, len(values), axis=0)
        step = max(1, _AT_ONCE // max(1, decision.size))
        for at in range(0, len(trees), step):
            predict_stages(trees[at : at + step], values, rate, decision)
        return decision

    if type(estimator) is GradientBoostingRegressor:
        return lambda X: CompiledScores(decide(X)[:, 0].tolist(), None)
    return boosted(estimator, details, decide, at_zero=True)


def single_tree(estimator: Any, details: Details, raw: bool) -> Answer:
    """Compile a single decision tree.

    Raises:
        NotCompilable: It has several targets.
    """
    tree = estimator.tree_
    if tree.n_outputs != 1:
        raise NotCompilable("the tree has several targets")
    convert = singles(raw, takes_gaps(estimator))
    if isinstance(estimator, DecisionTreeRegressor):
        return lambda X: CompiledScores(tree.predict(convert(X))[:, 0].tolist(), None)
    reading = head(estimator, details)

    def answer(X: Matrix) -> CompiledScores:
        proba = tree.predict(convert(X))
        return reading.table(proba, proba)

    return answer


KNOWN = {
    GradientBoostingClassifier: boosting,
    GradientBoostingRegressor: boosting,
    DecisionTreeClassifier: single_tree,
    DecisionTreeRegressor: single_tree,
    ExtraTreeClassifier: single_tree,
    ExtraTreeRegressor: single_tree,
}
