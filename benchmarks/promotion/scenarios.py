"""Populations in which the truth is known: who is better, and by how much."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from mlpipes_cli.scoring.predictions import Predictions

MOST = 20  # challengers in every population; smaller K take the first K of them
BASE_KS = 0.5


@dataclass(frozen=True)
class Scenario:
    """One row of the table.

    Attributes:
        metric: Which metric decides.
        shape: How the scores are distributed, see ``SHAPES``.
        rows: Holdout rows.
        prevalence: The share of the positive class.
        correlation: Between the scores of different models, given the class.
        gap: The first challenger's KS minus the incumbent's in the population; the others have the
            incumbent's. A negative gap is every challenger's.
        repetitions: Simulated holdouts.
        resamples: Bootstrap resamples each.
    """

    metric: str
    shape: str = "alike"
    rows: int = 1000
    prevalence: float = 0.2
    correlation: float = 0.0
    gap: float = 0.0
    repetitions: int = 400
    resamples: int = 400

    def models(self, random: np.random.Generator) -> list[Predictions]:
        """The incumbent, then the challengers, on one holdout."""
        return SHAPES[self.shape](self, random)


def _strength(ks: float) -> float:
    """The distance of two normal distributions of variance one that have this KS."""
    return 2.0 * float(norm.ppf((1.0 + ks) / 2.0))


def _classifier(s: Scenario, positive: np.ndarray, signal: np.ndarray, strength: float) -> Predictions:
    """Calibrated probabilities; labels at the prevalence, where KS is reached."""
    odds = np.log(s.prevalence / (1.0 - s.prevalence))
    score = 1.0 / (1.0 + np.exp(-(strength * signal - strength**2 / 2.0 + odds)))
    rows = np.arange(s.rows)
    return Predictions("binary", (0, 1), positive * 1, score, (score > s.prevalence) * 1, rows)


def _alike(s: Scenario, random: np.random.Generator) -> list[Predictions]:
    """Normal scores: all models of one kind, with errors in common."""
    positive = random.random(s.rows) < s.prevalence
    shared = random.normal(size=s.rows)
    gaps = [0.0] + [s.gap if k == 0 or s.gap < 0 else 0.0 for k in range(MOST)]
    found = []
    for gap in gaps:
        strength = _strength(BASE_KS + gap)
        own = random.normal(size=s.rows)
        error = np.sqrt(s.correlation) * shared + np.sqrt(1.0 - s.correlation) * own
        found.append(_classifier(s, positive, error + strength * positive, strength))
    return found


def _flat_against(incumbent: str) -> Callable[[Scenario, np.random.Generator], list[Predictions]]:
    """Challengers whose distance is largest over a wide range of thresholds: KS's worst case."""

    def models(s: Scenario, random: np.random.Generator) -> list[Predictions]:
        positive = random.random(s.rows) < s.prevalence
        if incumbent == "rule":  # two scores only, so that its KS has no bias at all
            share = np.where(positive, 1.0 + BASE_KS, 1.0 - BASE_KS) / 2.0
            first = (random.random(s.rows) < share) * 2.0 - 1.0
        else:
            first = random.normal(size=s.rows) + _strength(BASE_KS) * positive
        signals = [first]
        for _ in range(MOST):
            middle, extreme = random.random(s.rows), random.random(s.rows) < BASE_KS
            signals.append(np.where(extreme, np.where(positive, 1.0 + middle, -middle), middle))
        return [_classifier(s, positive, signal, 1.0) for signal in signals]

    return models


def _copies(s: Scenario, random: np.random.Generator) -> list[Predictions]:
    """Challengers that answer 19 of 20 rows exactly as the incumbent does."""
    positive = random.random(s.rows) < s.prevalence
    strength = _strength(BASE_KS)
    base = random.normal(size=s.rows) + strength * positive
    signals = [base]
    for _ in range(MOST):
        other = random.normal(size=s.rows) + strength * positive
        signals.append(np.where(random.random(s.rows) < 0.05, other, base))
    return [_classifier(s, positive, signal, strength) for signal in signals]


def _numbers(s: Scenario, random: np.random.Generator) -> list[Predictions]:
    """A regression with heavy-tailed errors (Student's t with five degrees of freedom)."""
    target = random.normal(size=s.rows)
    shared = random.standard_t(5, size=s.rows)
    found = []
    for _ in range(MOST + 1):
        own = random.standard_t(5, size=s.rows)
        error = np.sqrt(s.correlation) * shared + np.sqrt(1.0 - s.correlation) * own
        found.append(Predictions("regression", (), target, None, target + error, np.arange(s.rows)))
    return found


SHAPES: dict[str, Callable[[Scenario, np.random.Generator], list[Predictions]]] = {
    "alike": _alike,
    "flat against rule": _flat_against("rule"),
    "flat against normal": _flat_against("normal"),
    "copies": _copies,
    "numbers": _numbers,
}
