"""Confidence intervals of KS and ROC AUC, by inverting a test over smoothed populations.

The value of a small sample is not centred at the true one: KS, a maximum, lies above it, the more so the
fewer rows there are and the weaker the score is. Resamples of the rows themselves cannot show by how much
(the rows contain that maximum already), so samples are drawn from smoothed populations (:mod:`.smoothing`),
which are made better and worse than the observed one. The interval consists of the populations in whose
samples the observed value is neither among the lowest nor among the highest: an inverted test (Carpenter
1999), by the smoothed bootstrap (Silverman and Young 1987).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from mlpipes_cli.scoring.intervals.share_intervals import widening
from mlpipes_cli.scoring.intervals.smoothing import Population, smoothed
from mlpipes_cli.scoring.predictions import FloatArray
from mlpipes_cli.scoring.sampling import Sampler

_SAMPLES = 200
_APART = np.linspace(-3.2, 3.2, 7)  # distances of the populations, in standard errors
_POWERS = np.concatenate(([0.0], np.geomspace(0.03, 20.0, 19)))
_LARGEST_UNIT = 0.9  # of the logits of ROC AUC: where it is nearly 1, populations would lie too far apart
_WEAKER = 0.6  # the power of the odds in the population that shows how KS's bias changes
_LEAST_GAIN = 0.5
_MOVES = np.linspace(-8.0, 8.0, 25)
_FINE = 24  # parts, at least, between the points that are divided

Metric = Callable[[FloatArray, FloatArray], FloatArray]  # of both classes' (g, t) distribution functions


class Correction(NamedTuple):
    """What a metric's bias does to its interval.

    KS is too high the more, the weaker the score is. A KS that is freed of its bias therefore varies more
    than the observed one.

    Attributes:
        bias: The mean error of the metric.
        longer: By how much the standard error grows when the bias is taken off.
    """

    bias: float
    longer: float


class RankingSampler:
    """Draws samples like the holdout from populations like the one that it came from.

    Args:
        positive: (n,) the true classes; both have rows.
        score: (n,) larger means more likely positive.
        rows: The numbers of independent rows of the negative and the positive class.
        seed: The same seed gives the same samples.
        stratified: Whether the classes' numbers of rows are fixed, not drawn as well.
    """

    def __init__(
        self,
        positive: npt.NDArray[np.bool_],
        score: FloatArray,
        rows: tuple[float, float],
        seed: int,
        *,
        stratified: bool,
    ) -> None:
        self._population = smoothed(positive, score, rows)
        self._odds = float(positive.sum() / (~positive).sum())
        self._seed = seed
        random = np.random.default_rng(seed)
        sizes = _sizes((max(round(rows[0]), 1), max(round(rows[1]), 1)), random, stratified)
        cells = len(self._population.tied)
        self._false, self._true = (Sampler(size, cells, random) for size in sizes)
        self._negatives, self._positives = sizes
        self._distributions = self._rounded(self._population)
        self._first = self._samples(*self._distributions)

    def corrections(self, kinds: Collection[str]) -> dict[str, Correction]:
        """Return those of KS, ROC AUC and PR AUC, or of some of them.

        The rows of a sample are counted, not approximated: PR AUC depends on the few at the top.
        """
        drawn = self._first if self._false.counts and self._true.counts else self._drawn()
        false, true = (part[:, None] for part in self._distributions)
        found = dict.fromkeys(kinds, Correction(0.0, 1.0))
        if "ks" in kinds:
            bias = float(_ks(*drawn).mean() - _ks(false, true)[0])
            found["ks"] = Correction(bias, 1.0 / self._gain())
        if "pr_auc" in kinds:
            ratio, odds = self._positives / self._negatives, np.array([self._odds])
            tied = self._population.tied[:, None]
            truth = _pr_auc(false, true, odds, tied, np.zeros(1))[0]
            values = _pr_auc(*drawn, self._odds * ratio / ratio.mean(), tied, 1.0 / self._positives)
            found["pr_auc"] = Correction(float(values.mean() - truth), 1.0)
        return found

    def _gain(self) -> float:
        """Return by how much KS rises on average in samples where it rises by 1 in the population."""
        false, true = (part[:, 0] for part in self._rounded(self._population.sharpened(np.array([_WEAKER]))))
        moved = float(_ks(*self._distributions) - _ks(false, true))
        risen = float(_ks(*self._first).mean() - _ks(*self._samples(false, true)).mean())
        return float(np.clip(risen / moved, _LEAST_GAIN, 1.0)) if moved > 0.0 else 1.0

    def _drawn(self) -> tuple[FloatArray, FloatArray]:
        """Draw the cumulative shares (g, t) of samples of many rows row by row."""
        random = np.random.default_rng([self._seed, 1])
        sizes, shares = (self._negatives, self._positives), (self._population.false, self._population.true)
        false, true = (
            np.cumsum(random.multinomial(size, share) / size[:, None], axis=1).T
            for size, share in zip(sizes, shares, strict=True)
        )
        return false, true

    def ks(self, value: float, tails: tuple[float, float], rows: int) -> tuple[float, float]:
        """Return (lower, upper) of an observed KS.

        The shape of a weak ranking is known less well: below a KS of 1/3 half the degrees of freedom count.

        Args:
            value: The observed value.
            tails: Such as 0.025 and 0.975.
            rows: The rows of the rarer class.
        """
        drawn = _ks(*self._first)
        centre = value - float(drawn.mean() - _ks(*self._distributions))
        wider = widening((rows - 1) * float(np.clip(3.0 * centre - 0.5, 0.5, 1.0)), tails)
        wanted = np.clip(centre + max(float(drawn.std()), 1.0 / rows) * _APART, 0.0, 1.0)
        powers = _placed(self._population.sharpened, _ks, _POWERS, wanted)
        return self._inverted(self._population.sharpened(np.unique(powers)), _ks, value, tails, wider)

    def roc_auc(self, value: float, tails: tuple[float, float], rows: int) -> tuple[float, float]:
        """Return (lower, upper) of an observed ROC AUC, as :meth:`ks` does.

        Smoothing weakens the score, so the populations are centred at the observed value instead.
        """
        truth = float(np.clip(_roc_auc(*self._distributions), 1e-6, 1.0 - 1e-6))
        unit = max(float(_roc_auc(*self._first).std()), 1e-6) / (truth * (1.0 - truth))
        unit = min(unit, _LARGEST_UNIT)
        centre = logit(truth)
        if value < 1.0:
            centre = np.clip(logit(max(value, 1e-6)), *(centre + unit * _APART[[0, -1]]))
        moves = _placed(self._population.moved, _roc_auc, _MOVES, expit(centre + unit * _APART))
        wider = widening(2.0 * (rows - 1), tails)
        return self._inverted(self._population.moved(np.unique(moves)), _roc_auc, value, tails, wider)

    def _inverted(
        self, populations: Population, metric: Metric, value: float, tails: tuple[float, float], wider: float
    ) -> tuple[float, float]:
        """Return the metrics at which the sample quantiles are the value, by interpolation.

        The quantiles are moved away from the samples' mean by the factor ``wider``.
        """
        false, true = self._rounded(populations)
        truths = metric(false, true)
        samples = np.stack([metric(*self._samples(*each)) for each in zip(false.T, true.T, strict=True)])
        mean, quantiles = samples.mean(axis=1), np.quantile(samples, tails, axis=1, method="weibull")
        low, high = (mean + (ends - mean) * wider for ends in quantiles)
        rising = 1e-9 * np.arange(len(truths))  # if several populations give the value, use the outermost
        lower = np.interp(value, np.maximum.accumulate(high) + rising, truths)
        upper = np.interp(value, np.minimum.accumulate(low[::-1])[::-1] - rising[::-1], truths)
        return float(lower), 1.0 if value >= 1.0 else float(upper)

    def _rounded(self, population: Population) -> tuple[FloatArray, FloatArray]:
        """Return both classes' distribution functions as the samplers round them."""
        false, true = population.distributions
        return self._false.rounded(false), self._true.rounded(true)

    def _samples(self, false: FloatArray, true: FloatArray) -> tuple[FloatArray, FloatArray]:
        return self._false(false), self._true(true)


def _sizes(
    rows: tuple[int, int], random: np.random.Generator, stratified: bool
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return (t,) negative and positive rows of each sample."""
    if stratified:
        return np.full(_SAMPLES, rows[0]), np.full(_SAMPLES, rows[1])
    drawn = random.binomial(sum(rows), rows[1] / sum(rows), size=_SAMPLES)
    positives = np.clip(drawn, 1, sum(rows) - 1)
    return sum(rows) - positives, positives


def _placed(
    population: Callable[[FloatArray], Population], metric: Metric, grid: FloatArray, wanted: FloatArray
) -> FloatArray:
    """Return (t,) where on a grid the populations have the wanted values.

    The points around them are divided once more: with many rows all of them lie between two points.
    """
    for last_time in (False, True):
        reached = np.maximum.accumulate(metric(*population(grid).distributions))
        found = np.interp(wanted, reached, grid)
        if not last_time:
            first = max(int(np.searchsorted(grid, found.min(), side="right")) - 1, 0)
            last = max(min(int(np.searchsorted(grid, found.max())), len(grid) - 1), first + 1)
            parts = -(-_FINE // (last - first))
            positions = np.linspace(first, last, parts * (last - first) + 1)
            grid = np.interp(positions, np.arange(len(grid)), grid)
    return np.asarray(found)


def _ks(false: FloatArray, true: FloatArray) -> FloatArray:
    """Return (t,) the largest distances."""
    distance = false - true
    return np.asarray(np.maximum(distance.max(axis=0), -distance.min(axis=0)))


def _roc_auc(false: FloatArray, true: FloatArray) -> FloatArray:
    """Return (t,) how often a positive row scores above a negative one; within a cell, half of the pairs."""
    above, below = (
        np.einsum("g...,g...->...", one[1:], other[:-1]) for one, other in ((true, false), (false, true))
    )
    return np.asarray(0.5 * (1.0 + above - below))


def _pr_auc(
    false: FloatArray,
    true: FloatArray,
    odds: FloatArray,
    tied: npt.NDArray[np.bool_],
    itself: FloatArray,
) -> FloatArray:
    """Return (t,) the mean precision at the positive rows.

    Args:
        false: (g, t) cumulative shares of the negative class.
        true: (g, t) cumulative shares of the positive class.
        odds: (t,) positive rows for each negative one.
        tied: (g, 1) whether a cell is one score; else its rows count as if they were in its middle.
        itself: (t,) a positive row's share: it is never below itself. 0 for a population.
    """
    gained, part = np.diff(true, axis=0, prepend=0.0), np.where(tied, 1.0, 0.5)
    hits = odds * (1.0 - true + part * gained + np.where(tied, 0.0, 0.5 * itself))
    misses = 1.0 - false + part * np.diff(false, axis=0, prepend=0.0)
    return np.asarray((gained * hits / np.maximum(hits + misses, 1e-300)).sum(axis=0))
