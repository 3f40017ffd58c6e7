"""Restores categories for models of users' functions that were fitted on category columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mlpipes_cli.trainers.categories import step_of, texts

if TYPE_CHECKING:
    import pandas as pd

_FEW = 20  # rows to predict in the test


def remade(model: Any, before: pd.DataFrame, after: pd.DataFrame) -> Any:
    """Wrap the model in the categories that its function created, if it cannot predict without them.

    The model is wrapped only if these are certainly the categories that it was fitted on: the model has the
    same ones, the function left them in its frame, or the predictions with and without them agree.

    Args:
        model: The fitted model.
        before: The rows that the function got.
        after: The same frame as the function left it.
    """
    from mlpipes_cli.preprocess.preprocessed_model import with_preprocessing

    own = dict(_own(model, before))
    left = {name: after[name] for name in before.columns if _made_of(before[name], after, name)}
    columns = {name: before[name] for name in [*texts(before), *own]} | left
    if not columns or _answers(model, before, columns):
        return model
    step = step_of(columns)
    whole = with_preprocessing(step, model)
    if own:
        fits = all(list(step.known[name]) == known for name, known in own.items())
    else:
        fits = bool(left) or _same(model, whole, before.head(_FEW))
    return whole if fits and _answers(whole, before, columns) else model


def _made_of(values: pd.Series, after: pd.DataFrame, name: Any) -> bool:
    """Return whether the function converted the column to categories of the same values."""
    if name not in after or not hasattr(after[name].dtype, "categories"):
        return False
    made = after[name].astype(object)
    return len(made) == len(values) and bool(((made == values) | (made.isna() & values.isna())).all())


def _own(model: Any, X: pd.DataFrame) -> Iterator[tuple[Any, list[Any]]]:
    """Yield the columns that a LightGBM or XGBoost model was fitted on as categories, with the categories."""
    booster = getattr(model, "booster_", None)  # LightGBM
    if booster is not None:
        positions = (getattr(booster, "params", None) or {}).get("categorical_column") or ()
        for position, known in zip(positions, booster.pandas_categorical or (), strict=False):
            yield X.columns[position], list(known)
    elif hasattr(model, "get_booster") and hasattr(model.get_booster(), "get_categories"):
        categories = model.get_booster().get_categories(export_to_arrow=True).to_arrow()
        for position, (_, known) in enumerate(categories):
            if known is not None and position < X.shape[1]:
                yield X.columns[position], known.to_pylist()


def _answers(model: Any, X: pd.DataFrame, columns: Any) -> bool:
    """Return whether the model predicts some rows, a single one, and one with a missing value per column."""
    gaps = [X[X[name].isna()].head(1) for name in columns if X[name].isna().any()]
    try:
        for rows in (X.head(_FEW), X.head(1), *gaps):
            model.predict(rows)
    except Exception:  # noqa: BLE001 (a model may raise anything on rows that it refuses)
        return False
    return True


def _same(model: Any, other: Any, X: pd.DataFrame) -> bool:
    """Return whether both models give the same predictions."""
    import numpy as np

    try:
        return bool(np.array_equal(np.asarray(model.predict(X)), np.asarray(other.predict(X))))
    except Exception:  # noqa: BLE001 (as above)
        return False
