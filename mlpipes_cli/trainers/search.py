"""Hyperparameter search by cross-validation on the training rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlpipes_cli import metric_catalog
from mlpipes_cli.run_schema import SEARCH_RESULTS
from mlpipes_cli.trainers.answers import answers
from mlpipes_cli.trainers.base import Fitted, Training, TrainingError
from mlpipes_cli.trainers.estimators import check_name, value_of

if TYPE_CHECKING:
    import pandas as pd


class MetricScorer:
    """A scorer for scikit-learn that computes our own metric, larger is better.

    Args:
        training: Gives the task, the classes and the metric.
        metric: The metric's name.
    """

    def __init__(self, training: Training, metric: str) -> None:
        self.metric, self._task, self._classes = metric, training.task, training.classes
        self.sign = 1.0 if metric_catalog.higher_is_better(metric) else -1.0

    def __call__(self, estimator: Any, X: pd.DataFrame, y: pd.Series) -> float:
        import numpy as np

        from mlpipes_cli.scoring.metrics import scorer
        from mlpipes_cli.scoring.predictions import Predictions

        given = answers(estimator, X, self._task, self._classes)
        told = Predictions(
            self._task, self._classes, y.to_numpy(), given.scores, given.prediction, np.arange(len(X))
        )
        value = scorer(told, [self.metric]).values(np.ones((1, len(X)))).get(self.metric)
        return float("nan") if value is None else self.sign * float(value[0])


def search(pipeline: Any, training: Training, prefix: str) -> Fitted:
    """Try the space, then fit the best on all training rows.

    Raises:
        TrainingError: No combination could be fitted and scored.
    """
    import numpy as np

    wanted: Mapping[str, Any] = training.spec["search"]
    metric = wanted.get("metric") or training.metric
    space = {_full(name, prefix): _values(values) for name, values in wanted["space"].items()}
    for name in space:
        check_name(pipeline, name)
    scoring = MetricScorer(training, metric)
    found = _searcher(pipeline, space, wanted, training, scoring)
    X, y = _in_order(training)
    try:
        found.fit(X, y)
    except ValueError as error:
        if "fits failed" not in str(error):
            raise
        raise TrainingError(
            f"every fit of the search failed: {str(error).strip().splitlines()[-1]}"
        ) from None
    if not np.isfinite(found.best_score_):
        raise TrainingError(f"the search found no combination with a value of {metric}")
    best = {name.removeprefix(prefix): value for name, value in found.best_params_.items()}
    params = {f"best_{name}": value for name, value in best.items()}
    params |= {f"search_cv_{metric}": scoring.sign * float(found.best_score_)}
    return Fitted(found.best_estimator_, params, {SEARCH_RESULTS: _table(found, scoring)})


def _full(name: str, prefix: str) -> str:
    return name if not prefix or name.startswith("preprocess__") else prefix + name


def _values(values: Any) -> Any:
    if isinstance(values, list):
        return [value_of(value) for value in values]
    from scipy import stats

    kind, (low, high) = next(iter(values.items()))
    if kind == "integers":
        return stats.randint(int(low), int(high) + 1)
    return stats.loguniform(low, high) if kind == "loguniform" else stats.uniform(low, high - low)


def _searcher(
    pipeline: Any,
    space: Mapping[str, Any],
    wanted: Mapping[str, Any],
    training: Training,
    scoring: MetricScorer,
) -> Any:
    from sklearn.model_selection import GridSearchCV, RandomizedSearchCV

    common = {
        "scoring": scoring,
        "cv": _folds(int(wanted.get("folds") or 5), training),
        "n_jobs": training.threads if training.threads > 1 else None,
        "error_score": float("nan"),
    }
    if wanted.get("method") == "random":
        tries = int(wanted.get("iterations") or 20)
        return RandomizedSearchCV(pipeline, space, n_iter=tries, random_state=training.seed, **common)
    return GridSearchCV(pipeline, space, **common)


def _folds(folds: int, training: Training) -> Any:
    from sklearn.model_selection import KFold, StratifiedKFold, TimeSeriesSplit

    if training.order_by is not None:
        return TimeSeriesSplit(folds)
    kind = KFold if training.task == "regression" else StratifiedKFold
    return kind(folds, shuffle=True, random_state=training.seed)


def _in_order(training: Training) -> tuple[pd.DataFrame, pd.Series]:
    if training.order_by is None:
        return training.X, training.y
    order = training.X[training.order_by].argsort(kind="stable")
    return training.X.iloc[order], training.y.iloc[order]


def _table(found: Any, scoring: MetricScorer) -> pd.DataFrame:
    """One line for each combination, the metric with its own sign."""
    import pandas as pd

    results = pd.DataFrame(found.cv_results_)
    names = [str(name) for name in results.columns]
    scores = [n for n in names if n.endswith("_test_score") and not n.startswith(("std", "rank"))]
    results[scores] = results[scores] * scoring.sign
    renamed = {n: n.replace("test_score", scoring.metric) for n in names if "test_score" in n}
    timing = [n for n in names if n.endswith("_time")]  # differs from run to run
    return results.drop(columns=["params", *timing]).rename(columns=renamed)
