"""Settings of XGBoost, LightGBM and CatBoost beyond scikit-learn's interface.

Params that the user gives are kept. Otherwise this module sets the run's seed under the library's own name,
the run's number of threads (each library would take all cores), the switches that make a library
reproducible, and no output.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlpipes_cli.trainers import categories
from mlpipes_cli.trainers.base import Training

if TYPE_CHECKING:
    import pandas as pd

SEEDS = ("random_state", "random_seed", "seed")
_THREADS = ("n_jobs", "nthread", "num_threads", "thread_count", "num_thread", "nthreads")
_STOPS = (
    "early_stopping_rounds",
    "early_stopping_round",
    "od_wait",
    "od_type",
    "od_pval",
    "n_iter_no_change",
)
_ODD = re.compile(r'[\[\]<>{}",:\s]')  # XGBoost and LightGBM refuse or change some of these
_HELD_OUT = 0.2  # share of the training rows, if early stopping is requested
_DEFAULTS: Mapping[str, tuple[tuple[tuple[str, ...], str, Any], ...]] = {
    "xgboost": ((_THREADS, "n_jobs", None), (SEEDS, "random_state", None)),
    "lightgbm": (
        (_THREADS, "n_jobs", None),
        (SEEDS, "random_state", None),
        (("deterministic",), "deterministic", True),
        (("force_col_wise", "force_row_wise"), "force_col_wise", True),  # else it times both
        (("verbosity", "verbose"), "verbosity", -1),
    ),
    "catboost": (
        (_THREADS, "thread_count", None),
        (SEEDS, "random_seed", None),
        (("allow_writing_files", "train_dir"), "allow_writing_files", False),
        (("verbose", "silent", "logging_level", "metric_period"), "verbose", False),
    ),
}


def library(estimator: Any) -> str | None:
    """Return the boosting library of an estimator, or None."""
    roots = {kind.__module__.partition(".")[0] for kind in type(estimator).__mro__}
    return next((name for name in _DEFAULTS if name in roots), None)


def set_params(estimator: Any, given: Mapping[str, Any], training: Training) -> None:
    """Set the params that the user did not give, in place; do nothing for estimators of other libraries."""
    name = library(estimator)
    values = {**dict.fromkeys(_THREADS, training.threads), **dict.fromkeys(SEEDS, training.seed)}
    for aliases, param, value in _DEFAULTS.get(name or "", ()):
        if not any(alias in given for alias in aliases):
            estimator.set_params(**{param: values[param] if value is None else value})


def plain(estimator: Any, given: Mapping[str, Any], training: Training) -> Any:
    """Return the estimator, wrapped if the library does not accept the data as it is.

    Raises:
        TrainingError: The params name category columns that do not exist.
    """
    name = library(estimator)
    if name is None:
        return estimator
    made = categories.of_library(name, estimator, given, training)
    labels = training.task != "regression"
    numbered = training.classes == tuple(range(len(training.classes))) and not any(
        isinstance(label, bool) for label in training.classes
    )
    rename = name != "catboost" and _odd_names(training)
    chokes = {
        "xgboost": labels and not numbered,
        "lightgbm": False,
        "catboost": training.task == "multiclass" or (labels and not numbered),
    }
    if not (rename or chokes[name] or made is not None or _stops_early(given)):
        return estimator
    from mlpipes_cli.trainers.models.boosting_model import Boosted

    return Boosted(estimator, labels, rename, made)


def fit_params(estimator: Any, given: Mapping[str, Any], training: Training) -> dict[str, Any]:
    """Return the arguments of ``fit``, if the run requests early stopping: the validation rows.

    These are the data set's, as (X, y), or else a mask of training rows.
    """
    if library(estimator) is None or not _stops_early(given):
        return {}
    held = training.validation
    return {"validation": held_out(training) if held is None else (held.X, held.y)}


def held_out(training: Training) -> Any:
    """Return a mask (n,) of a fifth of the training rows for validation.

    These are the last rows if a feature orders them in time, whole groups if there are some, else random
    rows.
    """
    import numpy as np
    from sklearn.model_selection import train_test_split

    rows = np.arange(len(training.X))
    mask = np.zeros(len(rows), dtype=bool)
    if training.groups is not None:
        from sklearn.model_selection import GroupShuffleSplit

        cutter = GroupShuffleSplit(1, test_size=_HELD_OUT, random_state=training.seed)
        mask[next(cutter.split(rows, groups=training.groups))[1]] = True
        return mask
    if training.order_by is not None:
        order = np.argsort(training.X[training.order_by].to_numpy(), kind="stable")
        mask[order[len(rows) - max(1, int(len(rows) * _HELD_OUT)) :]] = True
        return mask
    few = training.task != "regression" and training.y.value_counts().min() < 5
    by = None if training.task == "regression" or few else training.y
    _, held = train_test_split(rows, test_size=_HELD_OUT, random_state=training.seed, stratify=by)
    mask[held] = True
    return mask


def _stops_early(given: Mapping[str, Any]) -> bool:
    return any(given.get(name) is not None for name in _STOPS)


def _odd_names(training: Training) -> bool:
    """Return whether a feature's name, or a text in one-hot names, has characters that libraries refuse."""
    if any(_ODD.search(str(name)) for name in training.X.columns):
        return True
    if training.preprocess != "auto":
        return False
    texts = training.X.select_dtypes(exclude=["number", "bool", "datetime"])
    return any(_has_odd(texts[name]) for name in texts.columns)


def _has_odd(values: pd.Series) -> bool:
    return any(_ODD.search(str(value)) for value in values.dropna().unique())
