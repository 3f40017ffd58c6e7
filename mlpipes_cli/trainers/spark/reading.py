"""Converts a fitted Spark model to one that NumPy evaluates, and checks that both agree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

_LINEAR = {"LogisticRegressionModel": True, "LinearRegressionModel": False}  # whether it is a classifier
_TREES = {
    "DecisionTreeClassificationModel": ("tree", True),
    "DecisionTreeRegressionModel": ("tree", False),
    "RandomForestClassificationModel": ("forest", True),
    "RandomForestRegressionModel": ("forest", False),
    "GBTClassificationModel": ("boosted", True),
    "GBTRegressionModel": ("boosted", False),
}
TOLERANCE = 1e-9


def read(model: Any, saved: Path) -> Any | None:
    """Return the NumPy evaluator of a fitted model, or None if there is no equivalent.

    Args:
        model: The fitted Spark model.
        saved: The folder that it was saved in.
    """
    kind = type(model).__name__
    if not type(model).__module__.startswith("pyspark.ml.") or _of_its_own(model):
        return None
    if kind in _LINEAR:
        return _linear(model, classes=_LINEAR[kind])
    if kind in _TREES:
        return _trees(saved, *_TREES[kind])
    return None


def same(ours: tuple[Any, Any, Any], theirs: tuple[Any, Any, Any], classes: bool) -> bool:
    """Return whether two results (see ``spark_trees``) agree: every label, and numbers to 1e-9."""
    import numpy as np

    if classes and not np.array_equal(ours[0], theirs[0]):
        return False
    pairs = [(a, b) for a, b in zip(ours, theirs, strict=True) if b is not None]
    return all(
        a is not None
        and a.shape == b.shape
        and np.allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)
        for a, b in pairs
    )


def _of_its_own(model: Any) -> bool:
    """Return whether its labels are not simply those of the highest probability."""
    return bool(model.hasParam("thresholds") and model.isSet("thresholds"))


def _linear(model: Any, classes: bool) -> Any:
    import numpy as np

    from mlpipes_cli.trainers.models.spark_trees import Linear

    if classes:
        coefficients = np.asarray(model.coefficientMatrix.toArray(), dtype=np.float64)
        intercepts = np.asarray(model.interceptVector.toArray(), dtype=np.float64)
        return Linear(coefficients, intercepts, float(model.getThreshold()), True)
    coefficients = np.asarray(model.coefficients.toArray(), dtype=np.float64)[None, :]
    return Linear(coefficients, np.array([float(model.intercept)]), 0.5, False)


def _trees(saved: Path, kind: str, classes: bool) -> Any | None:
    """Read the nodes that Spark saved: ``data``, one row a node, and for several trees ``treesMetadata``."""
    import numpy as np
    import pyarrow.parquet as pq

    from mlpipes_cli.trainers.models.spark_trees import Trees

    rows = pq.read_table(saved / "data").to_pylist()
    weights = np.ones(1)
    if kind != "tree":
        trees = pq.read_table(saved / "treesMetadata").to_pylist()
        weights = np.array([tree["_3"] for tree in sorted(trees, key=lambda tree: tree["_1"])])
        rows = [{"tree": row["treeID"], **row["nodeData"]} for row in rows]
    rows.sort(key=lambda row: (row.get("tree", 0), row["id"]))
    if any(row["split"]["numCategories"] != -1 for row in rows):
        return None
    first: dict[int, int] = {}
    for position, row in enumerate(rows):
        first.setdefault(row.get("tree", 0), position)
        if position - first[row.get("tree", 0)] != row["id"]:
            return None  # an unknown numbering of the nodes
    inner = np.array([row["leftChild"] >= 0 for row in rows])
    start = np.array([first[row.get("tree", 0)] for row in rows])
    here = np.arange(len(rows))
    left = np.where(inner, start + [row["leftChild"] for row in rows], here)
    right = np.where(inner, start + [row["rightChild"] for row in rows], here)
    splits = [row["split"] for row in rows]
    values = [row["impurityStats"] if classes and kind != "boosted" else [row["prediction"]] for row in rows]
    if classes and kind != "boosted":
        values = [stats[: _classes(saved)] for stats in values]
    return Trees(
        kind=kind,
        classes=classes,
        roots=np.array(list(first.values())),
        weights=weights,
        depth=_depth(left, right, list(first.values())),
        feature=np.array(
            [split["featureIndex"] if is_inner else 0 for split, is_inner in zip(splits, inner, strict=True)]
        ),
        threshold=np.array(
            [s["leftCategoriesOrThreshold"][0] if i else 0.0 for s, i in zip(splits, inner, strict=True)]
        ),
        left=left,
        right=right,
        values=np.array(values, dtype=np.float64),
    )


def _classes(saved: Path) -> int:
    text = next((saved / "metadata").glob("part-*")).read_text("utf-8")
    return int(json.loads(text.splitlines()[0])["numClasses"])


def _depth(left: np.ndarray, right: np.ndarray, roots: list[int]) -> int:
    depth, level = 0, set(roots)
    while level := {int(child) for node in level for child in (left[node], right[node]) if child != node}:
        depth += 1
    return depth
