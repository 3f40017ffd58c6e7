"""Models as `mlpipes train` makes them, for the tests and the benchmark of compiled predictors."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import cloudpickle
import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from mlpipes_cli.preprocess import auto, portable
from mlpipes_cli.scoring.score_reader import ScoreReader
from mlpipes_cli.server.compiled import CompiledScores
from mlpipes_cli.server.models.served_model import InputColumn

ROWS = 400
TASKS = {"int": "binary", "text": "binary", "bool": "binary", "many": "multiclass", "number": "regression"}


@lru_cache(maxsize=1)
def frame() -> pd.DataFrame:
    """Columns of each kind that the preprocessing knows, with missing values."""
    random = np.random.default_rng(0)
    found = pd.DataFrame(
        {
            "amount": random.normal(100, 30, ROWS),
            "flag": random.integers(0, 2, ROWS).astype(bool),
            "city": pd.Series(random.choice(["Köln", "Paris", "東京"], ROWS), dtype="str"),
            "huge": random.normal(0, 1e9, ROWS),
            "shop": pd.Series([f"shop {at}" for at in random.integers(0, 60, ROWS)], dtype="str"),
            "digits": pd.Series(random.choice(["1", "2.5", "7e3", " 4 "], ROWS), dtype="str"),
            "since": pd.Series(
                random.choice(["2020-01-31", "2021-05-06T07:08:09", "1999-12-31"], ROWS), dtype="str"
            ),
            "same": np.ones(ROWS),
            "steps": random.integers(0, 5, ROWS).astype("float64"),
        }
    )
    found.loc[::7, "amount"] = np.nan
    found.loc[::9, "city"] = None
    found.loc[::11, "since"] = None
    return found


def numbers() -> pd.DataFrame:
    """The columns of the frame that any estimator takes."""
    return frame()[["huge", "steps", "flag"]]


def target(kind: str) -> np.ndarray:
    """Labels of a kind (a key of `TASKS`) that have something to do with the features."""
    found = frame()
    noise = np.random.default_rng(1).normal(0, 1, ROWS)
    value = found["huge"].to_numpy() / 1e9 + found["steps"].to_numpy() / 2 + noise
    if kind == "number":
        return 1000 * value
    if kind == "many":
        return np.array(["low", "middle", "top"], dtype=object)[np.digitize(value, [0.5, 1.5])]
    second = value > 1
    if kind == "text":
        return np.array(["no", "yes"], dtype=object)[second.astype(int)]
    return second if kind == "bool" else second.astype(np.int64)


def details(kind: str, positive: int = -1) -> dict[str, Any]:
    """What training notes; `positive` is the position of the positive class."""
    task = TASKS[kind]
    classes = [] if task == "regression" else sorted(set(target(kind).tolist()))
    return {"task": task, "classes": classes, "positive": classes[positive] if task == "binary" else None}


def columns(data: pd.DataFrame) -> tuple[InputColumn, ...]:
    """The signature's columns."""
    kinds = {"f": "double", "b": "boolean"}
    types = [kinds.get(str(getattr(dtype, "kind", "O")), "string") for dtype in data.dtypes]
    return tuple(InputColumn(name, kind, True) for name, kind in zip(data.columns, types, strict=True))


def trained(estimator: Any, kind: str, scale: bool = True) -> Any:
    """The estimator behind our preprocessing, fitted and loaded out of a pickle."""
    X, y = frame(), target(kind)
    step = auto.build(X, TASKS[kind], scale)
    return loaded(Pipeline([("preprocess", step), ("model", clone(estimator))]).fit(X, y))


def bare(estimator: Any, kind: str) -> Any:
    """The estimator alone, fitted on numbers."""
    return loaded(clone(estimator).fit(numbers(), target(kind)))


def loaded(model: Any) -> Any:
    """The model as it comes out of a logged one: our preprocessing's code came with it."""
    for module in portable.modules():
        cloudpickle.register_pickle_by_value(module)
    tracker = cloudpickle.cloudpickle
    try:
        pickled = cloudpickle.dumps(model)
        tracker._DYNAMIC_CLASS_TRACKER_BY_CLASS.clear()  # as in another process: no class is known
        tracker._DYNAMIC_CLASS_TRACKER_BY_ID.clear()
        return pickle.loads(pickled)
    finally:
        for module in portable.modules():
            cloudpickle.unregister_pickle_by_value(module)


def plain(model: Any, data: pd.DataFrame, notes: dict[str, Any]) -> CompiledScores:
    """What the model says by itself."""
    last = model[-1] if isinstance(model, Pipeline) else model
    reader = ScoreReader.of(last, notes)
    prepared = model[:-1].transform(data) if isinstance(model, Pipeline) else data
    return CompiledScores(np.asarray(model.predict(data)).tolist(), reader.read(prepared) if reader else None)


def rows(data: pd.DataFrame) -> list[tuple[Any, ...]]:
    """The rows as they come out of JSON."""
    parts = [
        [None if value is None or value != value else value for value in data[name].tolist()] for name in data
    ]
    return list(zip(*parts, strict=True))


def frame_of(given: Sequence[Sequence[Any]], like: pd.DataFrame) -> pd.DataFrame:
    """Rows out of JSON as the frame that the plain path makes of them."""
    parts = list(zip(*given, strict=True))
    return pd.DataFrame(
        {
            name: pd.Series(part, dtype=like[name].dtype)
            for name, part in zip(like.columns, parts, strict=True)
        }
    )


def changed() -> pd.DataFrame:
    """Rows that a holdout rarely has: missing, unknown, extreme."""
    data = frame().head(120).copy()
    for at, value in enumerate([np.nan, np.inf, -np.inf, 1e300, -1e300, -0.0, 5e-324, 1e20]):
        data.loc[at::40, "huge"] = value
        data.loc[at + 8 :: 40, "amount"] = value
    for at, value in enumerate(["", " Paris ", "paris", "nowhere", "ß" * 300]):
        data.loc[at + 16 :: 40, "city"] = value
        data.loc[at + 16 :: 40, "shop"] = value
        data.loc[at + 21 :: 40, "digits"] = value
        data.loc[at + 26 :: 40, "since"] = value
    data.loc[31::40, "shop"] = None
    data.loc[32::40, "digits"] = "1e400"
    data.loc[33::40, "digits"] = "TRUE"
    data.loc[34::40, "since"] = "2026-02-30"
    data.loc[35::40, "since"] = "2026-11-21T08:00:00+09:00"
    return data
