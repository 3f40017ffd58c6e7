"""Tables of many kinds, and changes of them."""

from __future__ import annotations

import numpy as np
import pandas as pd

POPULATIONS = ("normal", "heavy", "zeros", "ties", "levels", "dependent", "mixed")
LEVELS = 50
_ZIPF = 1 / np.arange(1, LEVELS + 1)
_NAMES = np.array([f"level {index}" for index in range(LEVELS)], dtype=object)


def table(population: str, rows: int, columns: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return unchanged rows of a population.

    normal; heavy tails (log-normal, sigma 2, and Student's t with 2 degrees of freedom); 60 and 97 % zeros;
    ties (Poisson numbers, five values); 50 levels by Zipf's law; normal columns that share 95 % of their
    variance; and all of these in turn.
    """
    shared = rng.normal(size=rows)
    found = {}
    for index in range(columns):
        kind = POPULATIONS[index % 6] if population == "mixed" else population
        found[f"c{index}"] = _column(kind, index, shared, rng)
    return pd.DataFrame(found)


def _column(kind: str, index: int, shared: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    rows = shared.size
    if kind == "normal":
        return rng.normal(size=rows)
    if kind == "heavy":
        return rng.lognormal(0, 2, rows) if index % 2 else rng.standard_t(2, rows)
    if kind == "zeros":
        return np.where(rng.random(rows) < (0.97 if index % 2 else 0.6), 0.0, rng.exponential(size=rows))
    if kind == "ties":
        return rng.integers(0, 5, rows) if index % 2 else rng.poisson(3, rows)
    if kind == "levels":
        return _NAMES[rng.choice(LEVELS, rows, p=_ZIPF / _ZIPF.sum())]
    return np.sqrt(0.95) * shared + np.sqrt(0.05) * rng.normal(size=rows)


def twelve(rows: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return the twelve columns that power is measured on; see RESULTS.md."""
    shared = rng.normal(size=rows)
    found = {f"normal {i}": np.sqrt(0.5) * shared + np.sqrt(0.5) * rng.normal(size=rows) for i in range(4)}
    found |= {f"income {i}": rng.lognormal(8, 1, rows) for i in range(2)}
    found["count"] = rng.poisson(3, rows)
    found["often zero"] = np.where(rng.random(rows) < 0.6, 0.0, rng.exponential(size=rows))
    found["nearly always zero"] = np.where(rng.random(rows) < 0.97, 0.0, rng.exponential(size=rows))
    found["flag"] = rng.random(rows) < 0.03
    found["town"] = np.array(list("abcde"), dtype=object)[rng.choice(5, rows, p=[0.4, 0.25, 0.2, 0.1, 0.05])]
    found["branch"] = _NAMES[rng.choice(LEVELS, rows, p=_ZIPF / _ZIPF.sum())]
    return pd.DataFrame(found)


def _some(frame: pd.DataFrame, share: float, rng: np.random.Generator) -> np.ndarray:
    return rng.random(len(frame)) < share


def changed(change: str, frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return a table with one change."""
    frame = frame.copy()
    name, _, amount = change.partition(" by ")
    if name == "shift":
        frame["normal 0"] += float(amount)
    elif name == "spread":
        frame["normal 0"] *= float(amount)
    elif name == "tail":
        frame.loc[_some(frame, float(amount), rng), "normal 0"] += 6
    elif name == "zeros":  # of 60 % zeros
        frame.loc[_some(frame, float(amount) / 0.4, rng), "often zero"] = 0.0
    elif name == "share":  # from the most frequent of five levels, 40 %, to the next
        frame.loc[_some(frame, float(amount) / 0.4, rng) & (frame["town"] == "a"), "town"] = "b"
    elif name == "unseen":
        frame.loc[_some(frame, float(amount), rng), "town"] = "new"
    elif name == "unit":
        frame["income 0"] *= 1000
    elif name == "missing":
        frame.loc[_some(frame, float(amount), rng), "normal 0"] = np.nan
    elif name == "gone":
        frame["normal 0"] = np.nan
    elif name == "correlation":  # of 0.5 between two columns: its sign changes
        frame["normal 0"] = -frame["normal 0"]
    return frame


CHANGES = (
    "shift by 0.02", "shift by 0.05", "shift by 0.1", "shift by 0.2", "shift by 0.25", "shift by 0.5",
    "spread by 1.25", "tail by 0.03", "zeros by 0.1", "share by 0.05", "unseen by 0.02", "missing by 0.05",
    "unit", "gone", "correlation",
)  # fmt: skip
