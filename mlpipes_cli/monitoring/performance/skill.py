"""How much of a model's skill is lost: its distance to predictions that know nothing of the row."""

from __future__ import annotations

import numpy as np

from mlpipes_cli import metric_catalog
from mlpipes_cli.scoring import labels
from mlpipes_cli.scoring.predictions import Predictions

_LEAST_SKILL = (
    0.1  # of the distance from chance to perfect: the skill of a model that is hardly better than chance
)


def lost(loss: float, metric: str, holdout: Predictions, value: float) -> float:
    """Return the share of the holdout's skill that a loss takes; 1 is a model that is as good as chance.

    Args:
        loss: How much worse live is, in the metric's unit.
        metric: The metric's name.
        holdout: The holdout's predictions.
        value: The metric on the holdout.
    """
    chance, perfect = chance_level(metric, holdout), 1.0 if metric_catalog.higher_is_better(metric) else 0.0
    skill = max(
        (value - chance) * np.sign(perfect - chance or 1.0), _LEAST_SKILL * abs(perfect - chance), 1e-300
    )
    return float(loss / skill)


def chance_level(metric: str, p: Predictions) -> float:
    """Return the metric of predictions that know nothing of the row.

    Rankings: scores independent of the truth. Labels: the same labels, independent of the truth, as in
    Cohen's kappa (1960). Losses: each class's share as the probability of every row; the best constant for a
    regression.
    """
    if p.task == "regression":
        return _of_constant(metric, p)
    shares = np.bincount(p.target_codes, minlength=len(p.classes)) / p.rows
    if metric.startswith("ks"):
        return 0.0
    if metric.startswith("roc_auc"):
        return 0.5
    if metric.startswith("pr_auc"):
        weights = {"pr_auc_macro": np.full(len(shares), 1.0 / len(shares)), "pr_auc_weighted": shares}
        return float(weights.get(metric, np.array([0.0, 1.0])) @ shares)
    if metric == "brier":
        return float(shares[0] * shares[1])
    if metric == "log_loss":
        return float(-(shares[shares > 0] @ np.log(shares[shares > 0])))
    return _of_labels(metric, shares[None, :], p)


def _of_labels(metric: str, true: np.ndarray, p: Predictions) -> float:
    predicted = np.bincount(p.prediction_codes, minlength=len(p.classes))[None, :] / p.rows
    found = labels.overall(true * predicted, true, predicted)
    if metric in found:
        return float(found[metric][0])
    kind, _, how = metric.partition("_")
    of_class = labels.by_class(true * predicted, true, predicted)[kind]
    if not how:
        return float(of_class[0, 1])
    macro, weighted = labels.averaged(of_class, true, true + predicted > 0)
    return float((macro if how == "macro" else weighted)[0])


def _of_constant(metric: str, p: Predictions) -> float:
    target = p.target.astype(np.float64)
    if metric == "rmse":
        return float(target.std())
    away = np.abs(target - np.median(target))
    if metric == "mae":
        return float(away.mean())
    return float((away / np.maximum(np.abs(target), np.finfo(float).eps)).mean()) if metric == "mape" else 0.0
