"""How sure a metric's value is: bootstrap intervals over the rows of the holdout."""

from __future__ import annotations

import numpy as np

from mlpipes_cli.scoring.metrics import evaluate, scorer
from mlpipes_cli.scoring.predictions import FloatArray, Predictions
from mlpipes_cli.scoring.resampling import count_matrices


def intervals(
    p: Predictions, *, seed: int = 0, resamples: int = 1000, level: float = 0.95
) -> dict[str, tuple[float, float]]:
    """A confidence interval for each metric of :func:`evaluate`, for the rows' randomness alone.

    The percentile interval (Efron and Tibshirani 1993, chapter 13) of resamples that are drawn
    within each class, moved no further than needed to hold the value itself. The model is taken as
    it is: how much another training would differ is not in it.

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
    tail = (1.0 - level) / 2.0
    found = {}
    for name, value in values.items():
        finite = drawn[name][np.isfinite(drawn[name])]
        lower, upper = np.quantile(finite, [tail, 1.0 - tail]) if len(finite) else (value, value)
        found[name] = (min(float(lower), value), max(float(upper), value))
    return found


def _resampled(p: Predictions, names: tuple[str, ...], resamples: int, seed: int) -> dict[str, FloatArray]:
    prepared = scorer(p, names)
    pieces = [prepared.values(counts) for counts in count_matrices(p.target_codes, resamples, seed)]
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in names}
