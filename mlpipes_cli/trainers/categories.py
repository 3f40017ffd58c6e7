"""The category columns of the boosting libraries: determines them, and builds the step that encodes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlpipes_cli.suggest import did_you_mean
from mlpipes_cli.trainers.base import Training, TrainingError

if TYPE_CHECKING:
    import pandas as pd

_NAMING: Mapping[str, tuple[str, ...]] = {  # params that name category columns
    "catboost": ("cat_features",),
    "lightgbm": ("categorical_feature", "cat_feature", "categorical_column", "cat_column",
                 "categorical_features"),
    "xgboost": (),
}  # fmt: skip


def of_library(library: str, estimator: Any, given: Mapping[str, Any], training: Training) -> Any | None:
    """Return the step that makes categories of text columns and of those that the params name, or None.

    The estimator's params are adapted in place.

    Args:
        library: catboost, lightgbm or xgboost.
        estimator: The unfitted estimator.
        given: The run's params.
        training: The training rows.

    Raises:
        TrainingError: The params name a column that does not exist, or that the preprocessing makes numeric.
    """
    from mlpipes_cli.trainers.models.categories import Labels

    X = training.X
    named = [(param, given[param]) for param in _NAMING[library] if given.get(param) not in (None, "auto")]
    if training.preprocess != "none":
        for param, _ in named:
            raise TrainingError(
                f"{param}: `preprocess: auto` turns all columns into numbers; set `preprocess: none` "
                "under `data:`"
            )
        return None
    columns = [name for param, value in named for name in _columns(param, value, X)]
    columns += [name for name in texts(X) if name not in columns]
    if library == "catboost":
        return _for_catboost(estimator, given, X, columns, Labels)
    if library == "xgboost":
        kinds = given.get("feature_types") or ()
        columns += [n for n, kind in zip(X.columns, kinds, strict=False) if kind == "c" and n not in columns]
        if given.get("enable_categorical") is False or not columns:
            return None
        estimator.set_params(enable_categorical=True)
    step = step_of({name: X[name] for name in columns}) if columns else None
    if library == "xgboost" and step is not None:
        step.known = {name: _for_xgboost(known) for name, known in step.known.items()}
    return step


def _for_xgboost(known: pd.Index) -> pd.Index:
    """Convert categories for XGBoost, which accepts texts and integers, but no booleans or other numbers."""
    if known.inferred_type == "floating" and (known % 1 == 0).all():
        return known.astype("int64")  # whole numbers became floats because of a missing value
    return known if known.inferred_type in ("string", "integer") else known.map(str)


def _for_catboost(
    estimator: Any, given: Mapping[str, Any], X: pd.DataFrame, columns: list[Any], labels: Any
) -> Any:
    words = _columns("text_features", given.get("text_features") or (), X)
    columns = [name for name in columns if name not in words]
    for param, names in (("cat_features", columns), ("text_features", words)):
        if names:
            estimator.set_params(**{param: [X.columns.get_loc(name) for name in names]})
    return labels([*columns, *words]) if columns or words else None


def _columns(param: str, value: Any, X: pd.DataFrame) -> list[Any]:
    """Return the names of columns given by name or position, in a list or in LightGBM's text form."""
    if isinstance(value, str):
        value = value.removeprefix("name:").split(",")
    found = []
    for item in value if isinstance(value, (list, tuple)) else [value]:
        position = int(item) if str(item).isdecimal() and item not in X.columns else None
        if item in X.columns:
            found.append(item)
        elif position is not None and position < X.shape[1]:
            found.append(X.columns[position])
        else:
            near = did_you_mean(str(item), [str(name) for name in X.columns])
            raise TrainingError(f"{param}: there is no feature {item!r}{near}")
    return found


def texts(X: pd.DataFrame) -> list[Any]:
    """Return the columns that are not numbers, booleans or timestamps."""
    return [
        str(name) for name in X.select_dtypes(exclude=["number", "bool", "datetime", "datetimetz"]).columns
    ]


def step_of(columns: Mapping[Any, pd.Series]) -> Any:
    """Return the step that converts these columns to pandas categories."""
    from mlpipes_cli.trainers.models.categories import Categories

    return Categories({name: column.astype("category").cat.categories for name, column in columns.items()})
