"""Groups rows with similar predicted probabilities, and computes the share of positive rows in each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from mlpipes_cli.scoring.intervals.share_intervals import wilson
from mlpipes_cli.scoring.predictions import AnyArray, FloatArray, IntArray

RARE = 0.05  # a class with a smaller share is hardly visible on linear axes
_MOST_GROUPS = 10
_EXPECTED = 5.0  # minimum of expected positive rows in a group


@dataclass(frozen=True)
class Group:
    """Rows with similar predictions.

    Attributes:
        rows: The number of rows.
        mean: The mean of the predicted probabilities.
        share: The share of positive rows.
        lower: The lower end of the share's 95 % interval (Wilson 1927).
        upper: The upper end.
    """

    rows: int
    mean: float
    share: float
    lower: float
    upper: float

    @property
    def lowest(self) -> float:
        """The smallest positive number to show on a logarithmic axis."""
        return min(value for value in (self.mean, self.share, self.lower, self.upper) if value > 0.0)


def of_equal_size(positive: AnyArray, score: FloatArray, groups: int) -> list[Group]:
    """Form the given number of groups of equal size, in rising order of the score."""
    return _made(np.array_split(np.argsort(score, kind="stable"), groups), positive, score)


def of_equal_mass(positive: AnyArray, score: FloatArray) -> list[Group]:
    """Form groups with equal expected numbers of positive rows: large ones of low scores, small ones of high.

    In groups of equal size, nearly all would have no positive row of a rare class.
    """
    order = np.argsort(score, kind="stable")
    mass = np.cumsum(np.maximum(score[order], 1e-12))
    expected = max(float(mass[-1]), float(positive.sum()))
    groups = int(np.clip(expected // _EXPECTED, 2, _MOST_GROUPS))
    ends = np.searchsorted(mass, mass[-1] * np.arange(1, groups) / groups)
    return _made(np.split(order, ends), positive, score)


def _made(parts: Iterable[IntArray], positive: AnyArray, score: FloatArray) -> list[Group]:
    found = []
    for part in parts:
        if len(part):
            share, rows = float(positive[part].mean()), len(part)
            error = float(np.sqrt(share * (1.0 - share) / rows))
            lower, upper = wilson(share, error, float(ndtri(0.975)), 0.0, rows)
            found.append(Group(rows, float(score[part].mean()), share, lower, upper))
    return found
