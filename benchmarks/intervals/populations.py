"""Populations in which every metric's true value is known, as that of half a million rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.special import expit, softmax
from scipy.stats import norm

from mlpipes_cli.metric_catalog import Task
from mlpipes_cli.scoring.metrics import evaluate
from mlpipes_cli.scoring.predictions import Predictions

MANY = 500_000
# Labels hang on a threshold. With few rows the coverage of any interval of a share jumps up and down with
# the share itself (Brown, Cai and DasGupta 2001), so holdouts go through several: these times the usual one.
THRESHOLDS = (0.6, 0.8, 1.0, 1.25, 1.6, 2.0)


@dataclass(frozen=True)
class Population:
    """A kind of model on a kind of data.

    Attributes:
        name: For the table.
        task: binary, multiclass or regression.
        shape: How the scores or errors are distributed.
        separation: KS in the population, or how far the classes' scores lie apart.
        others: Rows of the other class for each of the rarer one.
    """

    name: str
    task: Task
    shape: str
    separation: float = 0.0
    others: int = 4

    def holdout(self, rows: int, random: np.random.Generator, threshold: float = 1.0) -> Predictions:
        """One with so many rows of the rarer class (of a regression: in all)."""
        made = {"binary": _binary, "multiclass": _multiclass, "regression": _regression}[self.task]
        return made(self, rows, random, threshold)

    def numbered(self, rows: int, number: int, threshold: float) -> Predictions:
        """One that its number fixes."""
        return self.holdout(rows, np.random.default_rng([0, rows, number]), threshold)

    def truth(self, threshold: float) -> dict[str, float]:
        """Every metric's true value."""
        return _truth(self, threshold)


@cache
def _truth(population: Population, threshold: float) -> dict[str, float]:
    shares = {"binary": population.others + 1, "multiclass": 6, "regression": 1}[population.task]
    return evaluate(population.holdout(MANY // shares, np.random.default_rng(2**31), threshold))


def _binary(s: Population, rows: int, random: np.random.Generator, threshold: float) -> Predictions:
    positive = np.repeat([True, False], [rows, rows * s.others])
    score = expit(_ODDS[s.shape](positive, s.separation, random) - np.log(s.others))
    label = score > threshold / (s.others + 1)
    return Predictions("binary", (0, 1), positive * 1, score, label * 1, np.arange(len(positive)))


def _strength(ks: float) -> float:
    return float(2.0 * norm.ppf((1.0 + ks) / 2.0))


def _normal(positive: np.ndarray, ks: float, random: np.random.Generator) -> np.ndarray:
    strength = _strength(ks)
    signal = random.normal(size=len(positive)) + strength * positive
    return np.asarray(strength * signal - strength**2 / 2.0)


def _flat(positive: np.ndarray, ks: float, random: np.random.Generator) -> np.ndarray:
    """The distance is largest over a wide range of thresholds: KS's worst case."""
    middle, extreme = random.random(len(positive)), random.random(len(positive)) < ks
    return 2.0 * np.where(extreme, np.where(positive, 1.0 + middle, -middle), middle) - 1.0


def _leaves(positive: np.ndarray, ks: float, random: np.random.Generator) -> np.ndarray:
    """A small tree: a handful of scores."""
    return np.asarray(np.clip(np.round(_normal(positive, ks, random)), -4, 4))


def _rule(positive: np.ndarray, ks: float, random: np.random.Generator) -> np.ndarray:
    """Two scores only, each of which is wrong as often: with few rows a class has no mistake at all."""
    right = random.random(len(positive)) < (1.0 + ks) / 2.0
    return np.where(right == positive, 1.0, -1.0) * float(np.log((1.0 + ks) / (1.0 - ks)))


_ODDS: dict[str, Callable[[np.ndarray, float, np.random.Generator], np.ndarray]] = {
    "normal": _normal, "flat": _flat, "leaves": _leaves, "rule": _rule,
}  # fmt: skip


def _multiclass(s: Population, rows: int, random: np.random.Generator, threshold: float) -> Predictions:
    """Three classes, the second twice as frequent as the first and the third three times."""
    codes = np.repeat([0, 1, 2], [rows, 2 * rows, 3 * rows])
    logits = random.normal(size=(len(codes), 3)) + s.separation * np.eye(3)[codes]
    scores = softmax(s.separation * logits + np.log([1.0, 2.0, 3.0]), axis=1)
    labels = (scores / np.array([1.0 / threshold, 1.0, 1.0])).argmax(axis=1)
    return Predictions("multiclass", (0, 1, 2), codes, scores, labels, np.arange(len(codes)))


def _regression(s: Population, rows: int, random: np.random.Generator, threshold: float) -> Predictions:
    target = np.exp(0.5 * random.normal(size=rows))
    error = random.normal(size=rows) if s.shape == "normal" else random.standard_t(5, size=rows)
    prediction = target + 0.4 * threshold * error
    return Predictions("regression", (), target, None, prediction, np.arange(rows))


POPULATIONS = (
    Population("normal, KS 0.2", "binary", "normal", 0.2),
    Population("normal, KS 0.5", "binary", "normal", 0.5),
    Population("normal, KS 0.8", "binary", "normal", 0.8),
    Population("normal, KS 0.5, 1 in 51", "binary", "normal", 0.5, 50),
    Population("flat, KS 0.5", "binary", "flat", 0.5),
    Population("leaves, KS 0.5", "binary", "leaves", 0.5),
    Population("rule, KS 0.9", "binary", "rule", 0.9),
    Population("three classes, close", "multiclass", "normal", 0.7),
    Population("three classes, apart", "multiclass", "normal", 2.0),
    Population("normal errors", "regression", "normal"),
    Population("heavy tails", "regression", "t5"),
)
