"""XGBoost, LightGBM and CatBoost under scikit-learn's interface: what each needs besides.

What the user gives stays as it is. What he does not give: the run's seed under the library's own name, the
run's number of threads (each would take all cores), the switches that make a library repeatable, and no
lines on the standard output.
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
_ODD = re.compile(r'[\[\]<>{}",:\s]')  # XGBoost and LightGBM refuse some of them, or change them
_HELD_OUT = 0.2  # of the training rows, where early stopping is asked for
_DEFAULTS: Mapping[str, tuple[tuple[tuple[str, ...], str, Any], ...]] = {
    "xgboost": ((_THREADS, "n_jobs", None), (SEEDS, "random_state", None)),
    "lightgbm": (
        (_THREADS, "n_jobs", None),
        (SEEDS, "random_state", None),
        (("deterministic",), "deterministic", True),
        (("force_col_wise", "force_row_wise"), "force_col_wise", True),  # else the faster one, by the clock
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
    """Which boosting library an estimator is of, or None."""
    roots = {kind.__module__.partition(".")[0] for kind in type(estimator).__mro__}
    return next((name for name in _DEFAULTS if name in roots), None)


def set_params(estimator: Any, given: Mapping[str, Any], training: Training) -> None:
    """Fill in what the user did not give, in place; nothing for estimators of others."""
    name = library(estimator)
    values = {**dict.fromkeys(_THREADS, training.threads), **dict.fromkeys(SEEDS, training.seed)}
    for aliases, param, value in _DEFAULTS.get(name or "", ()):
        if not any(alias in given for alias in aliases):
            estimator.set_params(**{param: values[param] if value is None else value})


def plain(estimator: Any, given: Mapping[str, Any], training: Training) -> Any:
    """The estimator, or, where the library would choke on the data, behind what makes it plain.

    Raises:
        TrainingError: The params name columns of categories that are not there.
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
    """What ``fit`` gets besides: the rows that tell when to stop, where the run asks for it."""
    if library(estimator) is None or not _stops_early(given):
        return {}
    return {"validation": held_out(training)}


def held_out(training: Training) -> Any:
    """A mask (n,) of a fifth of the training rows: the last ones where time passes, else drawn."""
    import numpy as np
    from sklearn.model_selection import train_test_split

    rows = np.arange(len(training.X))
    mask = np.zeros(len(rows), dtype=bool)
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
    """Whether a feature's name, or a text that becomes part of one, is more than a library takes."""
    if any(_ODD.search(str(name)) for name in training.X.columns):
        return True
    if training.preprocess != "auto":
        return False
    texts = training.X.select_dtypes(exclude=["number", "bool", "datetime"])
    return any(_has_odd(texts[name]) for name in texts.columns)


def _has_odd(values: pd.Series) -> bool:
    return any(_ODD.search(str(value)) for value in values.dropna().unique())
