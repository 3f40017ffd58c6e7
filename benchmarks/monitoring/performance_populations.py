"""Predictions of models whose true metrics are known, by class and by how well the scores tell them apart."""

from __future__ import annotations

import numpy as np
from scipy.special import expit
from scipy.stats import norm

from mlpipes_cli.scoring.predictions import Predictions


def binary(
    rows: float,
    share: float,
    seed: int,
    *,
    ks: float = 0.5,
    spread: float = 1.0,
    trained: float | None = None,
) -> Predictions:
    """Rows of which `share` are positive; the model knows odds for the share `trained`, and a KS of 0.5.

    A lower `ks` or another `spread` changes the rows, not the model.
    """
    random = np.random.default_rng(seed)
    count = round(rows)
    positive = np.arange(count) < round(share * count)
    strength = float(2.0 * norm.ppf(0.75))
    apart = float(2.0 * norm.ppf((1.0 + ks) / 2.0))
    signal = strength / 2.0 + spread * (random.normal(size=count) + apart * (positive - 0.5))
    believed = share if trained is None else trained
    score = expit(strength * signal - strength**2 / 2.0 + np.log(believed / (1.0 - believed)))
    label = (score > believed) * 1
    return Predictions("binary", (0, 1), positive * 1, score, label, np.arange(count))


def multiclass(rows: int, seed: int, *, apart: float = 1.5) -> Predictions:
    """Three classes of the same size."""
    random = np.random.default_rng(seed)
    codes = np.arange(rows) % 3
    logits = apart * (random.normal(size=(rows, 3)) + apart * np.eye(3)[codes])
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return Predictions("multiclass", (0, 1, 2), codes, scores, scores.argmax(axis=1), np.arange(rows))


def regression(rows: int, seed: int, freedom: int = 0, *, factor: float = 1.0) -> Predictions:
    """Skewed targets, and errors that are normal or Student's."""
    random = np.random.default_rng(seed)
    target = np.exp(0.5 * random.normal(size=rows))
    error = random.standard_t(freedom, size=rows) if freedom else random.normal(size=rows)
    return Predictions("regression", (), target, None, target + 0.3 * factor * error, np.arange(rows))


def calibrated(
    rows: int, seed: int, *, wide: float = 1.0, lower: float = 0.0, power: float = 1.0
) -> Predictions:
    """Rows with normal log odds, whose meaning never changes; scores claim them to the power `power`."""
    random = np.random.default_rng(seed)
    odds = random.normal(-1.0 - lower, 1.5 * wide, size=rows)
    target = (random.random(rows) < expit(odds)) * 1
    score = expit(power * odds)
    return Predictions("binary", (0, 1), target, score, (score > 0.4) * 1, np.arange(rows))
