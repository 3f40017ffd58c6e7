"""Histogram gradient boosting: few rows through one call, many rows through scikit-learn's own.

Its trees compare float64, and scikit-learn calls them one by one. Its fastest traversal, one call for all
trees, compares float32. So each value is replaced by its position among the thresholds of its feature, a
small integer, which compares with the threshold's own position as the value with the threshold: ``x <= t[j]``
exactly if ``place(x) <= j``. This is lossless, and float32 can represent it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.tree._tree import NODE_DTYPE, Tree

from mlpipes_cli.server.compiled.base import CompiledScores, Details, NotCompilable
from mlpipes_cli.server.compiled.heads import boosted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlpipes_cli.server.compiled.base import Answer, Matrix

    Floats = NDArray[np.float64]
    Singles = NDArray[np.float32]

_TOGETHER = 64  # rows; with more, scikit-learn's own traversal is as fast, and lets other threads run
_MOST_PLACES = 2**24  # integers that float32 represents exactly


@dataclass(frozen=True)
class _Member:
    """The attributes of an estimator that the traversal reads."""

    tree_: Any


def histograms(estimator: Any, details: Details, raw: bool) -> Answer:
    """Compile histogram gradient boosting over numbers.

    Raises:
        NotCompilable: It has columns of categories.
    """
    from sklearn.ensemble._gradient_boosting import predict_stages

    if estimator._preprocessor is not None or estimator.is_categorical_ is not None:
        raise NotCompilable("the boosting has columns of categories")
    start: Floats = np.asarray(estimator._baseline_prediction, dtype=np.float64)
    many = _as_scikit_learn_does(estimator, start)
    tables = _thresholds(estimator)
    to_bins = _binner(tables)
    members = np.array(
        [[_Member(_tree(predictor.nodes, tables)) for predictor in stage] for stage in estimator._predictors],
        dtype=object,
    )

    def decide(X: Matrix) -> Floats:
        if len(X) > _TOGETHER or (raw and np.isnan(X).any()):
            return many(np.asarray(X, dtype=np.float64))
        decision: Floats = np.repeat(start, len(X), axis=0)
        predict_stages(members, to_bins(X), 1.0, decision)
        return decision

    if type(estimator) is HistGradientBoostingRegressor:
        inverse = estimator._loss.link.inverse
        return lambda X: CompiledScores(inverse(decide(X)[:, 0]).tolist(), None)
    return boosted(estimator, details, decide, at_zero=False)


def _as_scikit_learn_does(estimator: Any, start: Floats) -> Callable[[Floats], Floats]:
    known, index = estimator._bin_mapper.make_known_categories_bitsets()
    stages = estimator._predictors

    def decide(X: Floats) -> Floats:
        decision: Floats = np.repeat(start, len(X), axis=0)
        for stage in stages:
            for column, predictor in enumerate(stage):
                decision[:, column] += predictor.predict(X, known, index, 1)
        return decision

    return decide


def _thresholds(estimator: Any) -> list[Floats]:
    """Return the distinct thresholds of each feature, sorted."""
    nodes = np.concatenate([predictor.nodes for stage in estimator._predictors for predictor in stage])
    splits = nodes[nodes["is_leaf"] == 0]
    if splits["is_categorical"].any() or np.isnan(splits["num_threshold"]).any():
        raise NotCompilable("a split is by categories")
    tables = [
        np.unique(splits["num_threshold"][splits["feature_idx"] == feature])
        for feature in range(estimator.n_features_in_)
    ]
    if max(len(table) for table in tables) >= _MOST_PLACES:
        raise NotCompilable("a feature has too many thresholds")
    return tables


def _binner(tables: list[Floats]) -> Callable[[Matrix], Singles]:
    """Return a function from values to their positions among the thresholds, one search for all features.

    Complex numbers are sorted by their real part first: that is the feature here.
    """
    everything = np.concatenate([_complex(feature, table) for feature, table in enumerate(tables)])
    starts = np.cumsum([0, *(len(table) for table in tables[:-1])])
    features = np.arange(len(tables), dtype=np.float64)

    def to_bins(X: Matrix) -> Singles:
        values = np.empty(X.shape, dtype=np.complex128)
        values.real = features
        values.imag = X
        found: Singles = (everything.searchsorted(values) - starts).astype(np.float32)
        return found

    return to_bins


def _tree(nodes: Any, tables: list[Floats]) -> Any:
    """Return a tree that compares positions; leaves are the nodes without children."""
    state = np.zeros(len(nodes), dtype=NODE_DTYPE)
    leaf = nodes["is_leaf"] != 0
    for name, own in (("left_child", "left"), ("right_child", "right"), ("feature", "feature_idx")):
        state[name] = np.where(leaf, np.int64(-1), nodes[own].astype(np.int64))
    inner = state[~leaf]  # the traversal checks no bounds
    children = np.concatenate([inner["left_child"], inner["right_child"]])
    if not (children > 0).all() or not (children < len(nodes)).all():
        raise NotCompilable("a tree's nodes do not fit together")
    for at in np.flatnonzero(~leaf):
        state["threshold"][at] = tables[nodes["feature_idx"][at]].searchsorted(nodes["num_threshold"][at])
    tree = Tree(len(tables), np.array([1], dtype=np.intp), 1)
    values = np.ascontiguousarray(nodes["value"], dtype=np.float64).reshape(-1, 1, 1)
    depth = int(nodes["depth"].max())
    tree.__setstate__({"max_depth": depth, "node_count": len(nodes), "nodes": state, "values": values})
    return tree


def _complex(feature: int, table: Floats) -> NDArray[np.complex128]:
    found = np.empty(len(table), dtype=np.complex128)
    found.real, found.imag = feature, table
    return found


KNOWN = {HistGradientBoostingClassifier: histograms, HistGradientBoostingRegressor: histograms}
