"""Rules that decide whether two tables differ: ours, and what they are compared with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.special import kolmogorov

from mlpipes_cli.monitoring.compare import compare
from mlpipes_cli.monitoring.results import Options

Answer = dict[str, bool]


def ours(reference: pd.DataFrame, current: pd.DataFrame, seed: int, alpha: float = 0.05) -> Answer:
    """Our check: whether anything is significant, and whether anything alarms."""
    found = compare(reference, current, Options(alpha=alpha, seed=seed))
    joint = found.joint is not None and found.joint.p is not None and found.joint.p <= alpha
    certain = any(check.significant for check in found.columns) or joint
    return {"significant": certain, "alarm": found.alarm}


def bonferroni(reference: pd.DataFrame, current: pd.DataFrame, seed: int, alpha: float = 0.05) -> Answer:
    """Kolmogorov and Smirnov's test of numbers, chi-square's of levels, by Bonferroni."""
    from scipy.stats import chi2_contingency

    smallest = 1.0
    for name in reference.columns:
        before, now = reference[name], current[name]
        if pd.api.types.is_numeric_dtype(before) and not pd.api.types.is_bool_dtype(before):
            smallest = min(smallest, _ks(before.dropna().to_numpy(float), now.dropna().to_numpy(float)))
        else:
            counts = pd.concat([before.value_counts(), now.value_counts()], axis=1).fillna(0).to_numpy()
            if len(counts) > 1:
                smallest = min(smallest, float(chi2_contingency(counts, correction=False)[1]))
    rejected = smallest <= alpha / reference.shape[1]
    return {"alarm": rejected, "significant": rejected}


def _ks(before: np.ndarray, now: np.ndarray) -> float:
    if not before.size or not now.size:
        return 1.0  # scipy raises: a column without values is not compared
    before, now = np.sort(before), np.sort(now)
    every = np.concatenate([before, now])
    below = np.searchsorted(before, every, side="right") / before.size
    distance = np.abs(below - np.searchsorted(now, every, side="right") / now.size).max()
    return float(kolmogorov(distance * np.sqrt(before.size * now.size / (before.size + now.size))))


RULES: dict[str, Callable[[pd.DataFrame, pd.DataFrame, int], Answer]] = {
    "ours": ours,
    "bonferroni": bonferroni,
}
