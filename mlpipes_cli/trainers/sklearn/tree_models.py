"""Detects estimators that consist of trees only: they compare values, so scaling does not matter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlpipes_cli.trainers.sklearn import boosting

_TREES = {"BaseDecisionTree", "BaseForest", "BaseGradientBoosting", "BaseHistGradientBoosting"}
_BY_DISTANCE = {"ExtraTreeClassifier", "ExtraTreeRegressor", "ExtraTreesClassifier", "ExtraTreesRegressor"}
_OF_TREES_BY_DEFAULT = {"BaggingClassifier", "BaggingRegressor", "AdaBoostClassifier", "AdaBoostRegressor"}
_AROUND = _OF_TREES_BY_DEFAULT | {
    "VotingClassifier", "VotingRegressor", "StackingClassifier", "StackingRegressor",
    "CalibratedClassifierCV", "FixedThresholdClassifier", "TunedThresholdClassifierCV",
    "OneVsRestClassifier", "OneVsOneClassifier", "GridSearchCV", "RandomizedSearchCV",
}  # fmt: skip


def only_trees(estimator: Any) -> bool:
    """Return whether an estimator, and each nested one that gets the features, consists of trees.

    Extra trees do not count: they draw thresholds between the smallest and the largest value. Unknown
    estimators (a pipeline, a class of the user's) count as ones that need scaled numbers.
    """
    if not hasattr(estimator, "get_params"):
        return False
    params = estimator.get_params(deep=False)
    if boosting.library(estimator) is not None:
        return params.get("booster") != "gblinear" and not params.get("linear_tree")
    kinds = {kind.__name__ for kind in type(estimator).__mro__ if kind.__module__.startswith("sklearn.")}
    inner = list(_inner(params))
    if kinds & _TREES and not kinds & _BY_DISTANCE:
        return params.get("splitter") != "random" and all(map(only_trees, inner))
    if kinds & _AROUND:
        return all(map(only_trees, inner)) and bool(inner or kinds & _OF_TREES_BY_DEFAULT)
    return False


def _inner(params: dict[str, Any]) -> Iterator[Any]:
    """Yield the estimators among the params, except one that gets only the predictions of others."""
    for name, value in params.items():
        if name == "final_estimator" and not params.get("passthrough"):
            continue
        several = value if isinstance(value, list) else [value]
        parts = [part[1] if isinstance(part, tuple) and len(part) == 2 else part for part in several]
        yield from (part for part in parts if hasattr(part, "fit") or name == "final_estimator")
