"""Intervals of KS and ROC AUC: all values whose populations would give the observed one.

The value of a small sample is not centred at the truth: KS, a maximum, lies above it, the more so the fewer
rows there are and the less the score tells. No resample of the rows themselves shows by how much (they have
found that maximum already), so samples are drawn from smoothed populations (:mod:`.smoothing`), which are
made better and worse than what was observed. The interval holds the populations in whose samples the
observed value is neither among the lowest nor among the highest: a test inverted (Carpenter 1999), by the
smoothed bootstrap (Silverman and Young 1987).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from mlpipes_cli.scoring.predictions import FloatArray
from mlpipes_cli.scoring.smoothing import Population, ks, pr_auc, roc_auc, smoothed

_SAMPLES = 200
_APART = np.linspace(-3.5, 3.5, 7)  # of the populations, in standard errors
_POWERS = np.concatenate(([0.0], np.geomspace(0.02, 20.0, 60)))
_MOVES = np.linspace(-8.0, 8.0, 121)


@dataclass(frozen=True)
class _Samples:
    """(t, g) shares of both classes in t samples, and how many rows they have, (t, 1) each."""

    false: FloatArray
    true: FloatArray
    negatives: FloatArray
    positives: FloatArray


class RankingSampler:
    """Draws samples like the holdout from populations like the one it came from.

    Args:
        positive: (n,) the truth; both classes have rows.
        score: (n,) larger means more likely positive.
        rows: How many independent ones the negative and the positive class have.
        seed: The same seed gives the same samples.
        stratified: Whether the classes' numbers of rows are given, not drawn as well.
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
        self._rows = (max(round(rows[0]), 1), max(round(rows[1]), 1))
        self._odds = float(positive.sum() / (~positive).sum())
        self._seed, self._stratified = seed, stratified
        self._first = self._samples(self._population)

    def bias(self) -> dict[str, float]:
        """By how much each metric of such a sample is too high on average."""
        false, true = self._population.false[None], self._population.true[None]
        drawn, tied, none = self._first, self._population.tied, np.zeros((1, 1))
        odds = self._odds * (drawn.positives / drawn.negatives) * (self._rows[0] / self._rows[1])
        truth = pr_auc(false, true, np.full((1, 1), self._odds), tied, none)
        found = pr_auc(drawn.false, drawn.true, odds, tied, 1.0 / drawn.positives)
        return {
            "ks": float(ks(drawn.false, drawn.true).mean() - ks(false, true)[0]),
            "roc_auc": 0.0,
            "pr_auc": float(found.mean() - truth[0]),
        }

    def ks(self, value: float, tails: tuple[float, float], wider: float) -> tuple[float, float]:
        """(lower, upper) of an observed KS.

        Args:
            value: The observed one.
            tails: Such as 0.025 and 0.975.
            wider: By what the samples' quantiles are moved away from their mean.
        """
        drawn = ks(self._first.false, self._first.true)
        centre = value - float(drawn.mean() - self._population.ks)
        wanted = np.clip(centre + max(float(drawn.std()), 1e-4) * _APART, 0.0, 1.0)
        reached = np.maximum.accumulate(self._population.sharpened(_POWERS).ks)
        powers = np.interp(wanted, reached, _POWERS)
        return self._inverted(self._population.sharpened(np.unique(powers)), ks, value, tails, wider)

    def roc_auc(self, value: float, tails: tuple[float, float], wider: float) -> tuple[float, float]:
        """As :meth:`ks`."""
        drawn, truth = roc_auc(self._first.false, self._first.true), float(self._population.roc_auc)
        truth = float(np.clip(truth, 1e-6, 1.0 - 1e-6))
        unit = max(float(drawn.std()), 1e-6) / (truth * (1.0 - truth))
        reached = self._population.moved(_MOVES).roc_auc
        moves = np.interp(expit(logit(truth) + unit * _APART), reached, _MOVES)
        return self._inverted(self._population.moved(np.unique(moves)), roc_auc, value, tails, wider)

    def _inverted(
        self,
        populations: Population,
        metric: Callable[[FloatArray, FloatArray], FloatArray],
        value: float,
        tails: tuple[float, float],
        wider: float,
    ) -> tuple[float, float]:
        """The populations whose quantiles are the value, sought between those that are drawn from."""
        truths = metric(populations.false, populations.true)
        found = []
        for false, true in zip(populations.false, populations.true, strict=True):
            drawn = self._samples(Population(false, true, populations.tied))
            found.append(metric(drawn.false, drawn.true))
        samples = np.stack(found)
        mean = samples.mean(axis=1)
        low, high = (mean + (ends - mean) * wider for ends in np.quantile(samples, tails, axis=1))
        rising = 1e-9 * np.arange(len(truths))  # where several give the value, it is the outermost
        lower = np.interp(value, np.maximum.accumulate(high) + rising, truths)
        upper = np.interp(value, np.minimum.accumulate(low[::-1])[::-1] - rising[::-1], truths)
        return float(lower), 1.0 if value >= 1.0 else float(upper)

    def _samples(self, population: Population) -> _Samples:
        random = np.random.default_rng(self._seed)
        sizes = [np.full(_SAMPLES, rows) for rows in self._rows]
        if not self._stratified:
            rows = sum(self._rows)
            sizes[1] = np.clip(random.binomial(rows, self._rows[1] / rows, size=_SAMPLES), 1, rows - 1)
            sizes[0] = rows - sizes[1]
        drawn = [
            random.multinomial(size, shares)
            for size, shares in zip(sizes, (population.false, population.true), strict=True)
        ]
        negatives, positives = (size[:, None].astype(np.float64) for size in sizes)
        return _Samples(drawn[0] / negatives, drawn[1] / positives, negatives, positives)
