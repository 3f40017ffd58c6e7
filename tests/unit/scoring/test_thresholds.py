"""The cut that serves a rule best, against scikit-learn's metrics at every possible cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from mlpipes_cli.scoring import thresholds

COST = {"cost": {"false_positive": 1.0, "false_negative": 20.0}}


def rows(seed: int, decimals: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Rare positives with somewhat larger scores; with few decimals many are equal."""
    random = np.random.default_rng(seed)
    positive = random.random(150) < 0.08
    return positive, np.round(random.beta(1 + positive, 12), decimals)


def cost(truth: np.ndarray, called: np.ndarray) -> float:
    return float((called & ~truth).sum() + 20.0 * (truth & ~called).sum())


VALUES = {"f1": metrics.f1_score, "mcc": metrics.matthews_corrcoef, "cost": lambda t, c: -cost(t, c)}


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("decimals", [1, 2, 15])
@pytest.mark.parametrize("rule", ["f1", "mcc", COST], ids=["f1", "mcc", "cost"])
def test_no_cut_is_better_and_of_equal_ones_it_calls_the_fewest(rule: Any, decimals: int, seed: int) -> None:
    positive, scores = rows(seed, decimals)
    value = VALUES[rule if isinstance(rule, str) else "cost"]
    found = thresholds.choose(rule, positive, scores)
    cuts = [scores >= cut for cut in [*np.unique(scores), np.inf]]
    best = max(value(positive, called) for called in cuts)
    chosen = scores >= found
    assert value(positive, chosen) == pytest.approx(best, abs=1e-12)
    assert chosen.sum() == min(c.sum() for c in cuts if value(positive, c) >= best - 1e-12)


@pytest.mark.parametrize(
    ("rate", "called"),
    [(0.01, 2), (0.25, 2), (0.49, 4), (0.5, 5), (0.74, 5), (0.99, 8)],  # the two of 0.9 cannot be told apart
)
def test_a_rate_is_not_exceeded_but_the_highest_score_is_always_called(rate: float, called: int) -> None:
    scores = np.array([0.9, 0.9, 0.8, 0.7, 0.6, 0.5, 0.5, 0.5, 0.1, 0.1])
    positive = np.arange(10) % 2 == 0
    found = thresholds.choose({"rate": rate}, positive, scores)
    assert (scores >= found).sum() == called


def test_a_rate_of_29_percent_of_a_hundred_rows_is_29() -> None:
    scores = np.arange(100) / 100.0  # 0.29 * 100 is 28.999999999999996
    assert (scores >= thresholds.choose({"rate": 0.29}, scores > 0.5, scores)).sum() == 29


def test_it_lies_midway_so_that_rounding_changes_no_label() -> None:
    scores, positive = np.array([0.1, 0.2, 0.4, 0.6]), np.array([False, False, True, True])
    found = thresholds.choose("f1", positive, scores)
    assert found == pytest.approx(0.3)
    assert thresholds.at(found, scores.astype(np.float32), ("no", "yes")).tolist() == [
        "no",
        "no",
        "yes",
        "yes",
    ]


def test_neighbouring_numbers_and_the_lowest_score_are_cut_as_they_are() -> None:
    near = np.array([0.5, np.nextafter(0.5, 1.0)])
    assert thresholds.choose("f1", np.array([False, True]), near) == near[1]
    assert thresholds.choose("f1", np.array([True, True]), np.array([0.5, 0.7])) == 0.5


def test_where_calling_costs_more_than_missing_nobody_is_called() -> None:
    rule = {"cost": {"false_positive": 20.0, "false_negative": 1.0}}
    scores, positive = np.array([0.9, 0.8, 0.1]), np.array([False, True, False])
    found = thresholds.choose(rule, positive, scores)
    assert found > 0.9 and not (scores >= found).any()


def test_a_score_of_exactly_the_threshold_is_positive() -> None:
    for labels in ((0, 1), (False, True), ("no", "yes")):
        found = thresholds.at(0.3, np.array([np.nextafter(0.3, 0), 0.3, np.float32(0.3)]), labels)
        assert found.tolist() == [labels[0], labels[1], labels[1]]  # float32's 0.3 is a little more


def test_a_number_is_taken_as_it_is() -> None:
    assert thresholds.choose(0.25, *rows(0)) == 0.25
