"""Finds Spark ML estimators by name or dotted path, and validates their params, without Java."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mlpipes_cli.metric_catalog import Task
from mlpipes_cli.suggest import did_you_mean
from mlpipes_cli.trainers import estimators
from mlpipes_cli.trainers.base import TrainingError

_HOME = "pyspark.ml"
BY_NAME = {  # the class for classification, the class for regression
    "logistic_regression": ("LogisticRegression", None),
    "linear_regression": (None, "LinearRegression"),
    "decision_tree": ("DecisionTreeClassifier", "DecisionTreeRegressor"),
    "random_forest": ("RandomForestClassifier", "RandomForestRegressor"),
    "gradient_boosted_trees": ("GBTClassifier", "GBTRegressor"),
}
OURS = ("featuresCol", "labelCol", "predictionCol", "probabilityCol", "rawPredictionCol", "leafCol",
        "weightCol", "validationIndicatorCol", "varianceCol")  # fmt: skip


def classes_of(name: str) -> list[Any]:
    """Return the classes of a name: one, or one for classification and one for regression.

    Raises:
        TrainingError: There is no such estimator.
    """
    if "." in name:
        found = estimators.load(name)
        if not isinstance(found, type) or not hasattr(found, "fit") or not hasattr(found, "params"):
            raise TrainingError(f"{name} is not an estimator of Spark ML")
        return [found]
    from pyspark.ml import classification, regression

    if name in BY_NAME:
        pairs = zip((classification, regression), BY_NAME[name], strict=True)
        return [getattr(module, kind) for module, kind in pairs if kind is not None]
    found = [vars(module)[name] for module in (classification, regression) if name in module.__all__]
    if not found or not hasattr(found[0], "fit"):
        raise TrainingError(f"Spark has no estimator {name!r}{did_you_mean(name, _known())}")
    return found


def class_for(name: str, task: Task) -> Any:
    """Return the class of a name for this task.

    Raises:
        TrainingError: The estimator does not support the task.
    """
    found = classes_of(name)
    fitting = [kind for kind in found if tells_classes(kind) == (task != "regression")]
    if not fitting:
        target = "a quantity" if task == "regression" else "classes"
        example = "linear_regression" if task == "regression" else "logistic_regression"
        raise TrainingError(f"{found[0].__name__} of Spark cannot learn {target}; use {example}, for example")
    kind = fitting[0]
    if task == "multiclass" and kind.__name__ in ("GBTClassifier", "LinearSVC", "FMClassifier"):
        raise TrainingError(
            f"{name} of Spark supports two classes, and the target has more; use random_forest"
        )
    return kind


def tells_classes(kind: Any) -> bool:
    """Return whether it is a classifier."""
    return hasattr(kind, "rawPredictionCol") or hasattr(kind, "setRawPredictionCol")


def is_of_trees(kind: Any) -> bool:
    """Return whether it consists of trees, which only compare values and need no scaling."""
    return bool(kind.__name__.startswith(("DecisionTree", "RandomForest", "GBT")))


def params_of(kind: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the params by Spark's names, converted as Spark converts them.

    Raises:
        TrainingError: The class has no such param, or the param does not accept the value.
    """
    from pyspark.ml.param import Param

    known = {name: getattr(kind, name) for name in dir(kind) if isinstance(getattr(kind, name, None), Param)}
    open_ = {name: param for name, param in known.items() if name not in OURS}
    values = {}
    for name, value in given.items():
        own = name if name in open_ else _camel(name)
        if own in OURS:
            raise TrainingError(f"{name!r} is set by mlpipes")
        if own not in open_:
            near = did_you_mean(own, open_)
            suggestion = near if own == name else near.replace(repr(_near(near)), repr(_snake(_near(near))))
            raise TrainingError(f"{kind.__name__} of Spark has no parameter {name!r}{suggestion}")
        if own in values:
            raise TrainingError(f"{name!r} is given twice, as {own!r} and as {_snake(own)!r}")
        try:
            values[own] = open_[own].typeConverter(_plain(open_[own], value))
        except (TypeError, ValueError) as error:
            raise TrainingError(f"{name}: {error}") from None
    return values


def made(kind: Any, params: Mapping[str, Any]) -> Any:
    """Create an estimator and set these params, not all of which its constructor accepts."""
    estimator = kind()
    for name, value in params.items():
        estimator.set(getattr(estimator, name), value)
    return estimator


def _plain(param: Any, value: Any) -> Any:
    """Convert a list of rows to a matrix, and a number to text, if the param requires it."""
    from pyspark.ml.linalg import Matrices
    from pyspark.ml.param import TypeConverters

    if param.typeConverter == TypeConverters.toString and type(value) in (int, float):
        return str(value)  # feature_subset_strategy: 0.5
    if param.typeConverter != TypeConverters.toMatrix:
        return value
    rows = [[float(cell) for cell in row] for row in value]
    if len({len(row) for row in rows}) != 1:
        raise ValueError("expected a list of rows of the same length")
    cells = [cell for column in zip(*rows, strict=True) for cell in column]  # column-major order
    return Matrices.dense(len(rows), len(rows[0]), cells)


def _near(suggestion: str) -> str:
    found = re.search(r"'([^']+)'", suggestion)
    return found[1] if found else ""


def _camel(name: str) -> str:
    return re.sub(r"_(\w)", lambda part: part[1].upper(), name)


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda part: f"_{part[1].lower()}", name)


def _known() -> list[str]:
    from pyspark.ml import classification, regression

    own = [*classification.__all__, *regression.__all__]
    return [*BY_NAME, *(name for name in own if not name.endswith(("Model", "Summary")))]
