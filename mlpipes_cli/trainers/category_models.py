"""Models of users' functions that made categories of columns: they need them again for every row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mlpipes_cli.trainers.categories import step_of, texts

if TYPE_CHECKING:
    import pandas as pd

_FEW = 20  # rows that a model is asked for


def remade(model: Any, before: pd.DataFrame, after: pd.DataFrame) -> Any:
    """The model, behind the categories that its function made, if it does not answer without them.

    It is put there only where that is certain to be what it was fitted on: its own categories are these, or
    the function left them in its frame, or it answers the same with them where it answers without.

    Args:
        model: Fitted.
        before: The rows that the function got.
        after: The same frame as the function left it.
    """
    from mlpipes_cli.preprocess.behind import behind

    own = dict(_own(model, before))
    left = {name: after[name] for name in before.columns if _made_of(before[name], after, name)}
    columns = {name: before[name] for name in [*texts(before), *own]} | left
    if not columns or _answers(model, before, columns):
        return model
    step = step_of(columns)
    whole = behind(step, model)
    if own:
        fits = all(list(step.known[name]) == known for name, known in own.items())
    else:
        fits = bool(left) or _same(model, whole, before.head(_FEW))
    return whole if fits and _answers(whole, before, columns) else model


def _made_of(values: pd.Series, after: pd.DataFrame, name: Any) -> bool:
    """Whether the column became categories in the function's frame, of the same values."""
    if name not in after or not hasattr(after[name].dtype, "categories"):
        return False
    made = after[name].astype(object)
    return len(made) == len(values) and bool(((made == values) | (made.isna() & values.isna())).all())


def _own(model: Any, X: pd.DataFrame) -> Iterator[tuple[Any, list[Any]]]:
    """Columns that a model of LightGBM or XGBoost was fitted on as categories, and which these are."""
    booster = getattr(model, "booster_", None)  # LightGBM's
    if booster is not None:
        positions = (getattr(booster, "params", None) or {}).get("categorical_column") or ()
        for position, known in zip(positions, booster.pandas_categorical or (), strict=False):
            yield X.columns[position], list(known)
    elif hasattr(model, "get_booster") and hasattr(model.get_booster(), "get_categories"):
        told = model.get_booster().get_categories(export_to_arrow=True).to_arrow()
        for position, (_, known) in enumerate(told):
            if known is not None and position < X.shape[1]:
                yield X.columns[position], known.to_pylist()


def _answers(model: Any, X: pd.DataFrame, columns: Any) -> bool:
    """Whether it answers some rows, one alone, and one with a gap in each of the columns that has any."""
    gaps = [X[X[name].isna()].head(1) for name in columns if X[name].isna().any()]
    try:
        for rows in (X.head(_FEW), X.head(1), *gaps):
            model.predict(rows)
    except Exception:  # noqa: BLE001 (whatever a model says to rows that it does not take)
        return False
    return True


def _same(model: Any, other: Any, X: pd.DataFrame) -> bool:
    """Whether both give the same predictions."""
    import numpy as np

    try:
        return bool(np.array_equal(np.asarray(model.predict(X)), np.asarray(other.predict(X))))
    except Exception:  # noqa: BLE001 (as above)
        return False
