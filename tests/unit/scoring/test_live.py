"""The metrics of served rows: intervals of many rows, and which rows of a caller count."""

from __future__ import annotations

import numpy as np
import pytest

from mlpipes_cli.scoring.live import measure, too_few
from mlpipes_cli.scoring.predictions import Predictions


@pytest.mark.parametrize("each", [1, 3])
def test_intervals_of_many_rows_are_as_long_as_their_number_allows(each: int) -> None:
    """80,000 rows that are right in 80 %: 0.8 +- 1.96 * sqrt(0.16 / callers)."""
    random = np.random.default_rng(1)
    callers = np.repeat(np.arange(80_000 // each), each)
    right = (random.random(80_000 // each) < 0.8)[callers]
    target = ((random.random(80_000 // each) < 0.5) * 1)[callers]
    p = Predictions(
        "binary", (0, 1), target, None, np.where(right, target, 1 - target), np.arange(len(target))
    )
    found = measure(p, callers, only=("accuracy",))
    low, high = found.intervals["accuracy"] or (0.0, 0.0)
    assert low <= found.metrics["accuracy"] <= high
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(0.16 / (80_000 // each)), rel=0.15)


def test_too_few_rows_are_told() -> None:
    assert too_few("binary", 20) == ""
    assert too_few("binary", 19) == "too few: 19 rows of the rarer class, at least 20 are needed"
    assert too_few("regression", 3, callers=True) == "too few: 3 caller ids, at least 20 are needed"
