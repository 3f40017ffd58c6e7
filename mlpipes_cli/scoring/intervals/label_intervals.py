"""Confidence intervals of the label metrics of two classes, by inverting a test over populations.

Such a metric is a function of two or three shares: the true and the false positive rate and, if the classes'
numbers of rows are drawn as well, the positive rows' share. Their joint distribution is known, two or three
binomial ones, so no resample of the rows is needed. The populations lie on the least favourable curve
through the observed one: the direction in which the metric changes most for its standard error (Stein 1956;
DiCiccio and Efron 1996). The interval consists of the populations in whose samples the observed value is
neither among the lowest nor among the highest; a sample with the observed value counts half (the mid-P
interval of Lancaster 1961, for a single share).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
from scipy.special import expit, gammaln, log_expit, logit, ndtri

from mlpipes_cli.scoring import labels
from mlpipes_cli.scoring.intervals.mean_intervals import Pair
from mlpipes_cli.scoring.intervals.share_intervals import widening
from mlpipes_cli.scoring.predictions import FloatArray, IntArray, Predictions

NAMES = ("f1", "precision", "recall", "mcc", "accuracy")
_SAMPLES = 512
_SMOOTHING = 0.5  # pseudo-rows of either label, so that no rate is 0 or 1
_APART = np.array([1.2, 1.8, 2.4, 3.4, 6.0])
_STEPS = np.concatenate((-_APART[::-1], _APART))  # distances of the populations, in standard errors
_REACH = 7.0  # standard deviations of a number of rows that are looked at on either side
_SAME = 1e-9
_RATE_OF_TRUE, _RATE_OF_FALSE, _SHARE = range(3)


class LabelTest:
    """Tests of the rates that labels of two classes could have.

    Args:
        target: (n,) the true classes, 1 for positive; both have rows.
        label: (n,) the predicted ones.
        stratified: Whether the classes' numbers of rows are fixed, not drawn as well.
    """

    def __init__(self, target: IntArray, label: IntArray, *, stratified: bool) -> None:
        positives, hits = int(target.sum()), int((target & label).sum())
        sizes = (positives, len(target) - positives, len(target))
        found = (hits, int(label.sum()) - hits, positives)
        used = 2 if stratified else 3
        self._sizes, self._found = sizes[:used], found[:used]
        self._share = positives / len(target)
        self._even = _even(used)
        self._observed = np.array([[one / size] for one, size in zip(self._found, self._sizes, strict=True)])

    def intervals(self, wider: Mapping[str, float], tails: Pair) -> dict[str, Pair]:
        """Return (lower, upper) of each metric.

        Args:
            wider: By metric, those of ``NAMES``: the factor by which the normal deviates of both tails are
                multiplied.
            tails: Such as 0.025 and 0.975.
        """
        curves = {name: self._curve(name) for name in wider}
        log_odds_of_curves = np.concatenate([start + way * _STEPS for start, way in curves.values()], axis=1)
        drawn = [
            _quantiles(size, log_odds, even) / size
            for size, log_odds, even in zip(self._sizes, log_odds_of_curves, self._even, strict=True)
        ]
        parts = np.split(np.stack(drawn), len(curves), axis=1)
        return {
            name: self._ends(name, curves[name], part.reshape(len(part), -1), factor * ndtri(tails))
            for (name, factor), part in zip(wider.items(), parts, strict=True)
        }

    def _ends(
        self, name: str, curve: tuple[FloatArray, FloatArray], samples: FloatArray, deviates: FloatArray
    ) -> Pair:
        """Return the metrics of the populations of which both deviates are the observed value's."""
        value = self._metric(name, self._observed)[0]
        values = self._metric(name, samples).reshape(len(_STEPS), -1)
        above, at = (values > value + _SAME).sum(axis=1), (np.abs(values - value) <= _SAME).sum(axis=1)
        part = np.clip((above + at / 2.0) / _SAMPLES, 0.5 / _SAMPLES, 1.0 - 0.5 / _SAMPLES)
        rising = np.maximum.accumulate(ndtri(part)) + _SAME * np.arange(len(part))
        start, way = curve
        lower, upper = self._metric(name, expit(start + way * np.interp(deviates, rising, _STEPS)))
        return (
            float(lower) if rising[0] < deviates[0] else _least(name),
            float(upper) if rising[-1] > deviates[1] else 1.0,
        )

    def _curve(self, name: str) -> tuple[FloatArray, FloatArray]:
        """Return the log odds of the rates, (2 or 3, 1), and how far one standard error moves them."""
        sizes, found = np.array(self._sizes), np.array(self._found)
        rates = (found + _SMOOTHING) / (sizes + 2.0 * _SMOOTHING)
        odds, variance = logit(rates), 1.0 / (sizes * rates * (1.0 - rates))
        nearby = odds[:, None] + 1e-4 * np.concatenate((np.eye(len(odds)), -np.eye(len(odds))), axis=1)
        ends = self._metric(name, expit(nearby)).reshape(2, -1)
        pull = (ends[0] - ends[1]) / 2e-4
        error = np.sqrt(max(float(pull**2 @ variance), 1e-300))
        return odds[:, None], (pull * variance / error)[:, None]

    def _metric(self, name: str, rates: FloatArray) -> FloatArray:
        """Return (b,) values of a metric for (2 or 3, b) rates."""
        share = rates[_SHARE] if len(rates) > _SHARE else np.full(rates.shape[1], self._share)
        hits, alarms = share * rates[_RATE_OF_TRUE], (1.0 - share) * rates[_RATE_OF_FALSE]
        if name not in ("mcc", "accuracy"):
            return labels.by_class(hits, share, hits + alarms)[name]
        correct = np.stack([1.0 - share - alarms, hits], axis=1)
        true = np.stack([1.0 - share, share], axis=1)
        predicted = np.stack([1.0 - hits - alarms, hits + alarms], axis=1)
        return labels.overall(correct, true, predicted)[name]


def label_intervals(
    p: Predictions, rows: Mapping[str, int], tails: Pair, *, stratified: bool
) -> dict[str, Pair]:
    """Compute the intervals of label metrics of two classes.

    Args:
        p: The predictions; both classes have rows, each of which is independent of the others.
        rows: The rows of the rarer class by metric, for those of ``NAMES`` that are requested.
        tails: Such as 0.025 and 0.975.
        stratified: Whether the classes' numbers of rows are fixed, not drawn as well.
    """
    if not rows:
        return {}
    test = LabelTest(p.target_codes, p.prediction_codes, stratified=stratified)
    wider = {name: 1.0 if is_plain(name) else widening(2.0 * (n - 1), tails) for name, n in rows.items()}
    return test.intervals(wider, tails)


def is_plain(name: str) -> bool:
    """Return whether the metric is a share of given rows, whose distribution hangs on nothing else."""
    return name.startswith(("recall", "accuracy"))


def _least(name: str) -> float:
    return -1.0 if name == "mcc" else 0.0


@cache
def _even(dimensions: int) -> tuple[FloatArray, ...]:
    """Return points that fill a unit cube evenly (Roberts's sequence, 2018), by coordinate."""
    base = 2.0
    for _ in range(60):  # the positive root of x^(d + 1) = x + 1
        base = (1.0 + base) ** (1.0 / (dimensions + 1))
    number = np.arange(1, _SAMPLES + 1)
    return tuple(np.asarray((0.5 + number * base**-power) % 1.0) for power in range(1, dimensions + 1))


def _quantiles(rows: int, log_odds: FloatArray, even: FloatArray) -> IntArray:
    """Return (g, t) quantiles at t points of g binomial distributions."""
    rate, other = expit(log_odds), expit(-log_odds)
    half = _REACH * np.sqrt(rows * rate * other) + 10.0
    first = np.maximum(np.floor(rows * rate - half), 0.0)
    number = first[:, None] + np.arange(min(2.0 * float(half.max()) + 2.0, rows + 1.0))
    rest = rows - number
    logs = gammaln(rows + 1.0) - gammaln(number + 1.0) - gammaln(np.maximum(rest, 0.0) + 1.0)
    logs += number * log_expit(log_odds)[:, None] + rest * log_expit(-log_odds)[:, None]
    below = np.cumsum(np.where(rest >= 0.0, np.exp(np.minimum(logs, 0.0)), 0.0), axis=1)
    below /= below[:, -1:]
    order = np.argsort(even)
    group = np.arange(len(log_odds))[:, None]
    insertion = np.searchsorted((below + group).ravel(), (even[order] + group).ravel())
    found = np.empty((len(log_odds), len(even)), dtype=np.int64)
    found[:, order] = insertion.reshape(found.shape) - group * number.shape[1]
    return np.asarray(np.minimum(found + first[:, None].astype(np.int64), rows))
