"""The metrics that selection depends on, computed once for values, intervals and the comparison.

All of them take a (B, n) matrix of weights, how often each of the n rows counts in each of B
resamples, and return (B,) values; weights of 1 give the plain value. They agree with
scikit-learn and SciPy (tested to 1e-12). ``docs/explanation/metrics.md`` names the sources.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np

from mlpipes_cli import metric_catalog
from mlpipes_cli.scoring import labels, ranking
from mlpipes_cli.scoring.intervals.mean_intervals import Ratio
from mlpipes_cli.scoring.predictions import FloatArray, Predictions

Values = dict[str, FloatArray]
Formula = Callable[[FloatArray, Collection[str]], Values]


@dataclass(frozen=True)
class _Group:
    """Metrics that share their computation."""

    names: tuple[str, ...]
    formula: Formula


@dataclass(frozen=True)
class Scorer:
    """The metrics of some predictions, ready for any number of weightings.

    Attributes:
        names: The names of the metrics, in the catalogue's order.
        rows: n, the length of a row of weights.
    """

    names: tuple[str, ...]
    rows: int
    _groups: tuple[_Group, ...]

    def values(self, weights: FloatArray) -> Values:
        """Return (B,) values by name for (B, n) weights.

        Raises:
            ValueError: The weights have another number of rows.
        """
        if weights.shape[1] != self.rows:
            raise ValueError(f"weights of {weights.shape[1]} rows, not of {self.rows}")
        found: Values = {}
        for group in self._groups:
            wanted = [name for name in group.names if name in self.names]
            if wanted:
                found |= group.formula(weights, wanted)
        return {name: found[name] for name in self.names}


def scorer(p: Predictions, only: Collection[str] | None = None) -> Scorer:
    """Prepare the metrics that are defined for these predictions (those of ``only``, if given)."""
    with np.errstate(over="ignore", invalid="ignore"):  # callers drop what overflows
        groups = _GROUPS[p.task](p)
    defined = {name for group in groups for name in group.names}
    catalogue = [metric.name for metric in metric_catalog.BY_TASK[p.task]]
    wanted = tuple(name for name in catalogue if name in defined and (only is None or name in only))
    return Scorer(wanted, p.rows, tuple(groups))


def evaluate(p: Predictions) -> dict[str, float]:
    """Compute every metric of the catalogue that is defined for these predictions.

    Omitted are: rankings and probability metrics if there are no scores; ``log_loss`` and ``brier``
    if the scores are not probabilities; ``ks``, ``roc_auc`` and ``pr_auc`` if a class has no
    row; ``r2`` of a constant target or a single row; ``mape`` if a target is zero; any value that
    overflows.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        values = scorer(p).values(np.ones((1, p.rows)))
    return {name: float(value[0]) for name, value in values.items() if np.isfinite(value[0])}


def ratios(p: Predictions) -> dict[str, Ratio]:
    """Return the metrics that are ratios of sums over the rows, for their intervals."""
    ones = np.ones(p.rows)
    if p.task != "regression":
        most = {"brier": 1.0}
        return {
            name: Ratio(losses, ones, functools.partial(min, most.get(name, math.inf)))
            for name, losses in _probability_losses(p).items()
        }
    target = p.target.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        error = p.prediction - target
        found = {"rmse": Ratio(error**2, ones, math.sqrt), "mae": Ratio(np.abs(error), ones)}
        found["r2"] = Ratio(error**2, (target - target.mean()) ** 2, lambda left: 1.0 - left)
    found["mape"] = Ratio(_relative(error, target), ones)
    return found


def _binary(p: Predictions) -> list[_Group]:
    positive = p.target_codes == 1
    groups = [_Group(("f1", "precision", "recall", "mcc", "accuracy"), _binary_labels(p))]
    if p.scores is not None and 0 < positive.sum() < p.rows:
        groups.append(_Group(ranking.NAMES, ranking.Ranking(positive, p.scores).values))
    return [*groups, *_probability_groups(p)]


def _multiclass(p: Predictions) -> list[_Group]:
    averaged = tuple(f"{name}_{how}" for name in ("f1", "precision", "recall") for how in _AVERAGES)
    groups = [_Group((*averaged, "mcc", "accuracy"), _multiclass_labels(p))]
    every_class = len(np.unique(p.target_codes)) == len(p.classes)
    if p.scores is not None and every_class:
        names = tuple(f"{name}_{how}" for name in ranking.NAMES for how in _AVERAGES)
        groups.append(_Group(names, _one_vs_rest(p, p.scores)))
    return [*groups, *_probability_groups(p)]


def _regression(p: Predictions) -> list[_Group]:
    target = p.target.astype(np.float64)
    error = p.prediction - target
    groups = [_Group(("rmse",), _rmse(error**2)), _means({"mae": np.abs(error)})]
    if p.rows > 1 and np.ptp(target) > 0:
        groups.append(_Group(("r2",), _r2(error**2, target - target.mean())))
    if (target != 0).all():
        groups.append(_means({"mape": _relative(error, target)}))
    return groups


_AVERAGES = ("macro", "weighted")
_GROUPS = {"binary": _binary, "multiclass": _multiclass, "regression": _regression}


def _probability_groups(p: Predictions) -> list[_Group]:
    losses = _probability_losses(p)
    return [_means(losses)] if losses else []


def _probability_losses(p: Predictions) -> dict[str, FloatArray]:
    """Return (n,) the loss of each row by metric; empty if the scores are not probabilities."""
    if p.scores is None or not p.are_probabilities:
        return {}
    if p.scores.ndim == 2:
        return {"log_loss": _log_losses(p, p.scores)}
    both = np.stack([1.0 - p.scores, p.scores], axis=1)
    return {"log_loss": _log_losses(p, both), "brier": (p.scores - p.target_codes) ** 2}


def _relative(error: FloatArray, target: FloatArray) -> FloatArray:
    return np.asarray(np.abs(error) / np.maximum(np.abs(target), np.finfo(float).eps))


def _log_losses(p: Predictions, scores: FloatArray) -> FloatArray:
    """Return (n,) the log loss of each row.

    The true class's probability is kept off 0 and 1 by one ulp of 1.
    """
    tiny = np.finfo(np.float64).eps
    true = scores[np.arange(p.rows), p.target_codes]
    return -np.log(np.clip(true, tiny, 1.0 - tiny))


def _means(losses: dict[str, FloatArray]) -> _Group:
    names, columns = tuple(losses), np.stack(list(losses.values()), axis=1)

    def formula(weights: FloatArray, _: Collection[str]) -> Values:
        means = (weights @ columns) / weights.sum(axis=1, keepdims=True)
        return dict(zip(names, means.T, strict=True))

    return _Group(names, formula)


def _rmse(squares: FloatArray) -> Formula:
    return lambda weights, _: {"rmse": np.sqrt(weights @ squares / weights.sum(axis=1))}


def _r2(squares: FloatArray, centred: FloatArray) -> Formula:
    """Return one minus the unexplained share of the target's variation; 1 or 0 for a constant resample."""

    def formula(weights: FloatArray, _: Collection[str]) -> Values:
        left = weights @ squares
        total = weights @ centred**2 - (weights @ centred) ** 2 / weights.sum(axis=1)
        varies = total > 1e-14 * (weights @ centred**2)
        share = np.divide(left, total, out=(left > 0).astype(np.float64), where=varies)
        return {"r2": 1.0 - share}

    return formula


def _binary_labels(p: Predictions) -> Formula:
    counts = labels.LabelCounts(p.target_codes, p.prediction_codes, 2)

    def formula(weights: FloatArray, _: Collection[str]) -> Values:
        found = counts(weights)
        values = {name: of_class[:, 1] for name, of_class in labels.by_class(*found).items()}
        return values | labels.overall(*found)

    return formula


def _multiclass_labels(p: Predictions) -> Formula:
    counts = labels.LabelCounts(p.target_codes, p.prediction_codes, len(p.classes))

    def formula(weights: FloatArray, _: Collection[str]) -> Values:
        correct, true, predicted = counts(weights)
        values = labels.overall(correct, true, predicted)
        for name, of_class in labels.by_class(correct, true, predicted).items():
            macro, weighted = labels.averaged(of_class, true, true + predicted > 0)
            values |= {f"{name}_macro": macro, f"{name}_weighted": weighted}
        return values

    return formula


def _one_vs_rest(p: Predictions, scores: FloatArray) -> Formula:
    codes = p.target_codes
    rankings = [ranking.Ranking(codes == code, scores[:, code]) for code in range(len(p.classes))]
    members = np.eye(len(p.classes))[codes]

    def formula(weights: FloatArray, wanted: Collection[str]) -> Values:
        names = [name for name in ranking.NAMES if any(want.startswith(name) for want in wanted)]
        each = [ranking.values(weights, names) for ranking in rankings]
        true = weights @ members
        values: Values = {}
        for name in names:
            of_class = np.stack([found[name] for found in each], axis=1)
            macro, weighted = labels.averaged(of_class, true, true > 0)
            values |= {f"{name}_macro": macro, f"{name}_weighted": weighted}
        return values

    return formula
