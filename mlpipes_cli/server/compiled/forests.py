"""Forests: few rows go through all trees in one call, many rows tree by tree as in scikit-learn.

scikit-learn's fastest traversal (of its gradient boosting: one call for all trees) adds one number per leaf.
A classifier's leaf holds one number per class, so its trees are rewritten: a leaf holds its own index, and
one table has the probabilities, a row per leaf. The rewritten trees replace the forest's own and return
identical bits, so that the nodes are in memory only once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)
from sklearn.tree._tree import Tree

from mlpipes_cli.server.compiled.base import CompiledScores, Details, NotCompilable
from mlpipes_cli.server.compiled.heads import head
from mlpipes_cli.server.compiled.trees import singles, takes_gaps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlpipes_cli.server.compiled.base import Answer, Matrix

    Floats = NDArray[np.float64]
    Singles = NDArray[np.float32]

_TOGETHER = 64  # rows; with more, the calls are few compared to the work, and other threads should run
_TREES = (DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor)


class LeafTree(Tree):  # type: ignore[misc,unused-ignore]
    """A tree of a forest whose leaves hold their index; ``table`` has their original values.

    Attributes:
        table: (leaves of the forest, classes).
    """

    table: Floats

    def leaves(self, X: Singles) -> NDArray[np.intp]:
        """Return the indices of the rows' leaves."""
        found: NDArray[np.intp] = Tree.predict(self, X)[:, 0].astype(np.intp)
        return found

    def predict(self, X: Singles) -> Floats:
        """Return the values of the original tree's leaves, (n, classes)."""
        found: Floats = self.table.take(self.leaves(X), axis=0)
        return found


def regression(estimator: Any, details: Details, raw: bool) -> Answer:
    """Compile a forest of regression trees.

    Raises:
        NotCompilable: It has several targets, or trees of other kinds.
    """
    from sklearn.ensemble._gradient_boosting import predict_stages

    trees = _trees(estimator)
    gaps = takes_gaps(estimator.estimators_[0])
    convert = singles(raw, gaps)
    members = np.empty((len(trees), 1), dtype=object)
    members[:, 0] = estimator.estimators_

    def answer(X: Matrix) -> CompiledScores:
        values = convert(X)
        found = np.zeros((len(values), 1))
        if len(values) > _TOGETHER or (raw and gaps and np.isnan(values).any()):
            for tree in trees:
                found += tree.predict(values)
        else:
            predict_stages(members, values, 1.0, found)
        found /= len(trees)
        return CompiledScores(found[:, 0].tolist(), None)

    return answer


def classification(estimator: Any, details: Details, raw: bool) -> Answer:
    """Compile a forest of classification trees; rewrites the trees in place.

    Raises:
        NotCompilable: It has several targets, or trees of other kinds.
    """
    from sklearn.ensemble._gradient_boosting import predict_stages

    reading = head(estimator, details)
    _trees(estimator)
    gaps = takes_gaps(estimator.estimators_[0])
    convert = singles(raw, gaps)
    table = rewrite(estimator.estimators_)
    trees: list[LeafTree] = [member.tree_ for member in estimator.estimators_]
    members = np.empty((1, len(trees)), dtype=object)
    members[0, :] = estimator.estimators_
    classes = table.shape[1]

    def answer(X: Matrix) -> CompiledScores:
        values = convert(X)
        if len(values) > _TOGETHER or (raw and gaps and np.isnan(values).any()):
            proba = np.zeros((len(values), classes))
            for tree in trees:
                proba += tree.predict(values)
        else:
            leaves = np.zeros((len(values), len(trees)))
            predict_stages(members, values, 1.0, leaves)
            each = table.take(leaves.ravel().astype(np.intp), axis=0)
            # along this axis numpy adds one value after the other, as scikit-learn does
            proba = np.add.reduce(each.reshape(len(values), len(trees), classes), axis=1)
        proba /= len(trees)
        return reading.table(proba, proba)

    return answer


def rewrite(members: list[Any]) -> Floats:
    """Replace each tree by a :class:`LeafTree`; return the table of all leaves.

    Raises:
        NotCompilable: A rewritten tree differs from the original, which then stays in place.
    """
    if all(isinstance(member.tree_, LeafTree) for member in members):
        kept: Floats = members[0].tree_.table
        return kept
    if any(type(member.tree_) is not Tree for member in members):
        raise NotCompilable("the trees are not scikit-learn's")
    counts = [int((member.tree_.children_left == -1).sum()) for member in members]
    table: Floats = np.empty((sum(counts), members[0].tree_.value.shape[2]))
    start = 0
    for member, count in zip(members, counts, strict=True):
        table[start : start + count] = _leaf_values(member.tree_)
        start += count
    start = 0
    for member, count in zip(members, counts, strict=True):
        member.tree_ = _leaf_tree(member.tree_, table, start)
        start += count
    return table


def _leaf_values(tree: Any) -> Floats:
    found: Floats = np.asarray(tree.value)[tree.children_left == -1, 0, :]
    return found


def _leaf_tree(tree: Any, table: Floats, start: int) -> Any:
    state = tree.__getstate__()
    leaf = tree.children_left == -1
    numbers = np.zeros((tree.node_count, 1, 1))
    numbers[leaf, 0, 0] = np.arange(start, start + int(leaf.sum()))
    made: Any = LeafTree(tree.n_features, np.array([1], dtype=np.intp), 1)
    made.__setstate__({**state, "values": numbers})
    made.table = table
    nodes = made.__getstate__()["nodes"]
    if nodes.tobytes() != state["nodes"].tobytes() or not np.array_equal(
        table[made.value[leaf, 0, 0].astype(np.intp)], _leaf_values(tree)
    ):
        raise NotCompilable("a rewritten tree differs from the original")
    return made


def _trees(estimator: Any) -> list[Any]:
    members = estimator.estimators_
    if any(type(member) not in _TREES or member.tree_.n_outputs != 1 for member in members):
        raise NotCompilable("the forest's trees are not scikit-learn's, or have several targets")
    if members[0].tree_.n_features != estimator.n_features_in_:
        raise NotCompilable("the trees do not fit the forest")
    return [member.tree_ for member in members]


KNOWN = {
    RandomForestClassifier: classification,
    ExtraTreesClassifier: classification,
    RandomForestRegressor: regression,
    ExtraTreesRegressor: regression,
}
