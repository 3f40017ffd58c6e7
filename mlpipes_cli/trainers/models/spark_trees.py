"""Spark models that NumPy can evaluate: linear ones and trees. A logged model contains this module's code.

The arithmetic is Spark's own, operation by operation (``org.apache.spark.ml.classification`` and
``.regression``, 4.3: ``predictRaw``, ``raw2probability``, ``raw2prediction``), so the answers differ from
Spark's by the rounding of sums at most. Each class has ``answer(X)``: for (n, features) float64 the
prediction (n,), a class position or a number, and, for classes, the raw predictions and the
probabilities, (n, classes) each, else None.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

_CELLS = 2_000_000  # maximum size of the table rows by trees


@dataclass(frozen=True, eq=False)
class Linear:
    """Logistic or linear regression.

    Attributes:
        coefficients: (classes, features); one row for two classes, or for a number.
        intercepts: One for each row.
        threshold: The threshold of the probability of the second of two classes.
        classes: Whether it is a classifier.
    """

    coefficients: np.ndarray
    intercepts: np.ndarray
    threshold: float
    classes: bool

    def answer(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
        """Evaluate the rows; see the module."""
        import numpy as np

        # not by BLAS, whose sums depend on the number of rows in a call
        margins = np.einsum("nd,kd->nk", X, self.coefficients) + self.intercepts
        if not self.classes:
            return margins[:, 0], None, None
        if len(self.coefficients) == 1:
            raw, probabilities = two_classes(margins[:, 0], 1.0)
            with np.errstate(divide="ignore"):
                limit = np.log(np.float64(self.threshold) / np.float64(1.0 - self.threshold))
            return (raw[:, 1] > limit).astype(np.float64), raw, probabilities
        grown = np.exp(margins - margins.max(axis=1, keepdims=True))
        return margins.argmax(axis=1).astype(np.float64), margins, grown / grown.sum(axis=1, keepdims=True)


@dataclass(frozen=True, eq=False)
class Trees:
    """A tree, a forest or boosted trees. A leaf is its own child.

    Attributes:
        kind: ``tree``, ``forest`` or ``boosted``.
        classes: Whether it is a classifier.
        roots: (trees,) positions of the roots among all nodes.
        weights: (trees,).
        depth: The depth of the deepest tree, in splits.
        feature: (nodes,) the feature that a node splits on.
        threshold: (nodes,) rows with more, or with NaN, go right.
        left: (nodes,) positions.
        right: (nodes,) positions.
        values: (nodes, values) a leaf's prediction; for classes of trees and forests the weights that the
            classes' rows have in it.
    """

    kind: str
    classes: bool
    roots: np.ndarray
    weights: np.ndarray
    depth: int
    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    values: np.ndarray

    def answer(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
        """Evaluate the rows; see the module."""
        import numpy as np

        step = max(1, _CELLS // len(self.roots))
        if len(X) <= step:
            return self._answer(X)
        parts = [self._answer(X[start : start + step]) for start in range(0, len(X), step)]
        columns = [None if part[0] is None else np.concatenate(part) for part in zip(*parts, strict=True)]
        return columns[0], columns[1], columns[2]  # type: ignore[return-value]

    def leaves(self, X: np.ndarray) -> np.ndarray:
        """Return (n, trees) positions of the leaves that the rows reach."""
        import numpy as np

        nodes = np.repeat(self.roots[None, :], len(X), axis=0)
        rows = np.arange(len(X))[:, None]
        for _ in range(self.depth):
            goes_left = X[rows, self.feature[nodes]] <= self.threshold[nodes]
            nodes = np.where(goes_left, self.left[nodes], self.right[nodes])
        return nodes

    def _answer(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
        import numpy as np

        values = self.values[self.leaves(X)]  # (n, trees, values)
        if self.kind == "boosted" or not self.classes:
            total = _sum(values[:, :, 0] * self.weights)
            if not self.classes:
                return (total / len(self.roots) if self.kind == "forest" else total), None, None
            raw, probabilities = two_classes(total, 2.0)
            return (total > 0.0).astype(np.float64), raw, probabilities
        raw = values[:, 0] if self.kind == "tree" else _sum(np.moveaxis(_shares(values), 1, 2))
        return raw.argmax(axis=1).astype(np.float64), raw, _shares(raw)


def two_classes(margins: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Return (n, 2) raw predictions and (n, 2) probabilities of (n,) margins of the second class."""
    import numpy as np

    with np.errstate(over="ignore"):
        second = 1.0 / (1.0 + np.exp(-scale * margins))
    return np.stack([-margins, margins], axis=1), np.stack([1.0 - second, second], axis=1)


def _sum(values: np.ndarray) -> np.ndarray:
    """Sum over the last axis, one element after the other, as a loop does."""
    import numpy as np

    total: np.ndarray = np.add.accumulate(values, axis=-1)[..., -1]
    return total


def _shares(values: np.ndarray) -> np.ndarray:
    """Divide by the sum over the last axis; leave values that sum to 0 unchanged."""
    import numpy as np

    total = _sum(values)[..., None]
    shares: np.ndarray = np.divide(values, total, where=total != 0, out=values.copy())
    return shares
