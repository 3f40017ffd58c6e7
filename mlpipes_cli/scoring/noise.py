"""The sampling error of the difference between two models, from resampled rows.

The bootstrap is paired: every resample draws rows, so that all models are scored on the same ones. For most
metrics the noise of a resample is its difference minus the observed one, as in White's reality
check (Econometrica 2000); areas under curves are compared on the logit scale.

KS needs more care. It is the largest of many distances and so biased upward, the more so the flatter
the distance is around its maximum; there the plain bootstrap is inconsistent (Dümbgen 1993;
Fang and Santos, Review of Economic Studies 2019). So the noise of a challenger's KS is the largest
one over all thresholds that could be the best one: those whose distance is within
``1 + 20 / m + sqrt(2 log log m)`` standard errors of the largest, m being the rows of the rarer
class (the growth is that of the law of the iterated logarithm, the constants were found by the
simulation in ``benchmarks/promotion``). The incumbent's noise is the plain bootstrap's, which captures too
little of that bias. Both choices favour the incumbent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import logit

from mlpipes_cli import metric_catalog
from mlpipes_cli.scoring.metrics import scorer
from mlpipes_cli.scoring.predictions import FloatArray, Predictions
from mlpipes_cli.scoring.ranking import Ranking
from mlpipes_cli.scoring.resampling import count_matrices


@dataclass(frozen=True)
class Noise:
    """The resampled errors of K differences.

    Attributes:
        incumbent: The incumbent's value.
        challengers: (K,) the challengers' values.
        differences: (K,) challenger against incumbent, positive where the challenger is better.
        errors: (B, K) the conservative error of each difference in each resample, on the scale
            of the test.
        spread: (K,) the differences' standard errors, on that scale.
        worth: (K,) the metric's units per unit of that scale; ones if it is the same.
    """

    incumbent: float
    challengers: FloatArray
    differences: FloatArray
    errors: FloatArray
    spread: FloatArray
    worth: FloatArray

    def first(self, candidates: int) -> Noise:
        """Return the noise of only the first challengers."""
        keep = slice(0, candidates)
        return Noise(
            self.incumbent,
            self.challengers[keep],
            self.differences[keep],
            self.errors[:, keep],
            self.spread[keep],
            self.worth[keep],
        )


def resample(
    incumbent: Predictions, challengers: Sequence[Predictions], metric: str, resamples: int, seed: int
) -> Noise:
    """Draw the noise of each challenger's difference; all predictions are for the same rows in order."""
    draw = _ks if is_ks(metric) else _plain
    return draw(incumbent, challengers, metric, resamples, seed)


def is_ks(metric: str) -> bool:
    """Return whether the metric is KS, or its mean over the classes."""
    return metric in ("ks", "ks_macro", "ks_weighted")


def _plain(
    incumbent: Predictions, challengers: Sequence[Predictions], metric: str, resamples: int, seed: int
) -> Noise:
    models = [scorer(p, (metric,)) for p in (incumbent, *challengers)]
    ones = np.ones((1, incumbent.rows))
    observed = np.array([model.values(ones)[metric][0] for model in models])
    blocks = [
        np.stack([model.values(counts)[metric] for model in models], axis=1)
        for counts in count_matrices(incumbent.target_codes, resamples, seed)
    ]
    sign = 1.0 if metric_catalog.higher_is_better(metric) else -1.0
    drawn = np.concatenate(blocks)
    differences = sign * (observed[1:] - observed[0])
    worth = np.ones(len(challengers))
    if metric.startswith(("roc_auc", "pr_auc")):
        errors, worth = _on_logits(observed, drawn, incumbent.rows)
    else:
        errors = sign * (drawn[:, 1:] - drawn[:, :1]) - differences
    spread = errors.std(axis=0, ddof=1)
    return Noise(float(observed[0]), observed[1:], differences, errors, spread, worth)


def _on_logits(observed: FloatArray, drawn: FloatArray, rows: int) -> tuple[FloatArray, FloatArray]:
    """Return (B, K) errors of differences of logits, and (K,) the metric's units per unit of logit.

    A share's standard error depends on the share, so that models that are better by chance look more (or
    less) certain than they are; on logits it hardly does (for areas under curves: Hanley and McNeil 1982;
    Boyd, Eng and Page 2013). The conversion is taken between the two observed values.
    """
    edge = 0.5 / rows
    at, moved = (logit(np.clip(values, edge, 1.0 - edge)) for values in (observed, drawn))
    apart = at[1:] - at[0]
    tied = np.abs(apart) < 1e-9
    middle = np.clip(observed[1:], edge, 1.0 - edge)
    worth = np.divide(observed[1:] - observed[0], apart, out=middle * (1.0 - middle), where=~tied)
    return moved[:, 1:] - moved[:, :1] - apart, worth


def _ks(
    incumbent: Predictions, challengers: Sequence[Predictions], metric: str, resamples: int, seed: int
) -> Noise:
    models = [_KsMean(p, metric) for p in (incumbent, *challengers)]
    observed = np.array([model.value for model in models])
    blocks = []
    for counts in count_matrices(incumbent.target_codes, resamples, seed):
        counts -= 1.0
        found = [*models[0].errors(counts, "maximum")]
        for model in models[1:]:
            found += model.errors(counts, "largest")
        blocks.append(np.stack(found, axis=1))
    drawn = np.concatenate(blocks)
    spread = (drawn[:, 2::2] - drawn[:, :1]).std(axis=0, ddof=1)
    errors = drawn[:, 3::2] - drawn[:, 1:2]
    return Noise(
        float(observed[0]), observed[1:], observed[1:] - observed[0], errors, spread, np.ones(len(errors[0]))
    )


class _KsMean:
    """KS of two classes, or the mean of several classes' KS, each against the rest."""

    def __init__(self, p: Predictions, metric: str) -> None:
        if p.scores is None:
            raise ValueError("KS needs scores")
        codes = p.target_codes
        if metric == "ks":
            self._curves = [_KsCurve(codes == 1, p.scores)]
            self._weights = np.ones(1)
        else:
            self._curves = [_KsCurve(codes == code, p.scores[:, code]) for code in range(len(p.classes))]
            rows = np.bincount(codes, minlength=len(p.classes)).astype(np.float64)
            weights = rows if metric == "ks_weighted" else np.ones(len(p.classes))
            self._weights = weights / weights.sum()
        self.value = float(self._weights @ [curve.value for curve in self._curves])

    def errors(
        self, changes: FloatArray, how: Literal["maximum", "largest"]
    ) -> tuple[FloatArray, FloatArray]:
        """Return (B,) the errors at the best thresholds, and those of the maximum or the largest ones."""
        best, other = np.zeros(len(changes)), np.zeros(len(changes))
        for weight, curve in zip(self._weights, self._curves, strict=True):
            moved = curve.changes(changes)
            best += weight * curve.at_best(moved)
            other += weight * (curve.of_maximum(moved) if how == "maximum" else curve.largest(moved))
        return best, other


class _KsCurve:
    """The distance between both classes' distribution functions at each threshold of a score."""

    def __init__(self, positive: npt.NDArray[np.bool_], score: FloatArray) -> None:
        self._ranking = Ranking(positive, score)
        true, false = (counts[0] for counts in self._ranking.counts(np.ones((1, len(score)))))
        tpr, fpr = true / true[-1], false / false[-1]
        self._distance = tpr - fpr
        self._best = int(np.abs(self._distance).argmax())
        self.value = float(np.abs(self._distance[self._best]))
        self._signs = np.where(self._distance < 0, -1.0, 1.0)
        self._possible = self._could_be_best(tpr, fpr, np.array([true[-1], false[-1]]))
        ranked = self._ranking.positive.astype(np.float64)
        self._steps = ranked / true[-1] - (1.0 - ranked) / false[-1]

    def changes(self, weights: FloatArray) -> FloatArray:
        """Return (B, n) changes of the signed distance below each row, for (B, n) changes of the weights."""
        ranked = np.take(weights, self._ranking.order, axis=1)
        ranked *= self._steps
        return np.cumsum(ranked, axis=1, out=ranked)

    def at_best(self, changes: FloatArray) -> FloatArray:
        """Return (B,) the error of the distance at the best threshold."""
        return np.asarray(changes[:, self._ranking.ends[self._best]] * self._signs[self._best])

    def largest(self, changes: FloatArray) -> FloatArray:
        """Return (B,) the largest error over all thresholds that could be the best."""
        moved = changes[:, self._ranking.ends[self._possible]] * self._signs[self._possible]
        return np.asarray(moved.max(axis=1))

    def of_maximum(self, changes: FloatArray) -> FloatArray:
        """Return (B,) the plain bootstrap's error of KS."""
        distance = changes[:, self._ranking.ends] + self._distance
        return np.asarray(np.maximum(distance.max(axis=1), -distance.min(axis=1)) - self.value)

    def _could_be_best(self, tpr: FloatArray, fpr: FloatArray, rows: FloatArray) -> np.ndarray:
        """Return which thresholds' distances are not clearly below the largest."""
        signs = self._signs * self._signs[self._best]
        variance = sum(
            _variance(rate, float(rate[self._best]), signs) / count
            for rate, count in zip((tpr, fpr), rows, strict=True)
        )
        below = self.value - self._signs * (tpr - fpr)
        rare = max(float(rows.min()), 16.0)
        doubt = 1.0 + 20.0 / rare + np.sqrt(2.0 * np.log(np.log(rare)))
        return np.asarray(np.flatnonzero(below <= doubt * np.sqrt(np.maximum(variance, 0.0)) + 1e-12))


def _variance(rate: FloatArray, best: float, signs: FloatArray) -> FloatArray:
    """Return the variance of ``rate - signs * best``, times the rows: both are means of nested events."""
    shared = np.minimum(rate, best) - rate * best
    return rate * (1.0 - rate) + best * (1.0 - best) - 2.0 * signs * shared
