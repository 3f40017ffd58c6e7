"""Intervals: the same for the same seed, holding the value, and wide as theory says."""

import numpy as np
import pytest

from mlpipes_cli.scoring import resampling
from mlpipes_cli.scoring.bootstrap import intervals
from mlpipes_cli.scoring.metrics import evaluate
from mlpipes_cli.scoring.predictions import Predictions
from mlpipes_cli.scoring.resampling import count_matrices


def binary(rows=400, seed=0):
    random = np.random.default_rng(seed)
    target = (random.random(rows) < 0.3).astype(int)
    score = 1 / (1 + np.exp(-random.normal(size=rows) - 1.2 * target))
    return Predictions("binary", (0, 1), target, score, (score > 0.6).astype(int), np.arange(rows))


def test_every_metric_has_an_interval_that_holds_it():
    p = binary()
    values, found = evaluate(p), intervals(p, resamples=200)
    assert values.keys() == found.keys()
    for name, (lower, upper) in found.items():
        assert lower <= values[name] <= upper
        assert upper - lower > 0.005, name


def test_a_seed_fixes_the_intervals():
    p = binary()
    assert intervals(p, seed=3, resamples=50) == intervals(p, seed=3, resamples=50)
    assert intervals(p, seed=3, resamples=50) != intervals(p, seed=4, resamples=50)


def test_a_higher_level_is_wider():
    narrow, wide = intervals(binary(), level=0.5)["ks"], intervals(binary(), level=0.99)["ks"]
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_a_mean_has_its_textbook_interval():
    random = np.random.default_rng(1)
    target = random.normal(10, 2, 3000)
    p = Predictions("regression", (), target, None, target + random.exponential(size=3000), np.arange(3000))
    error = np.abs(p.prediction - target)
    half = 1.96 * error.std() / np.sqrt(3000)
    assert intervals(p, resamples=2000)["mae"] == pytest.approx(
        (error.mean() - half, error.mean() + half), abs=0.1 * half
    )


def test_rare_classes_and_tiny_holdouts_have_intervals_too():
    p = binary(60).take(
        np.append(np.flatnonzero(binary(60).target == 0), np.flatnonzero(binary(60).target)[:1])
    )
    assert set(intervals(p, resamples=50)) == set(evaluate(p))
    two = Predictions("regression", (), [1.0, 2.0], None, [1.5, 1.0], [1, 2])
    assert set(intervals(two, resamples=50)) == set(evaluate(two))
    random = np.random.default_rng(2)
    scores = random.dirichlet([1, 1, 1], 30)
    codes = np.append(random.integers(0, 2, 29), 2)
    three = Predictions("multiclass", (0, 1, 2), codes, scores, scores.argmax(axis=1), np.arange(30))
    assert set(intervals(three, resamples=50)) == set(evaluate(three))


@pytest.mark.parametrize("rows", [7, 1000, 300_000])
def test_resamples_keep_the_size_of_each_class(rows):
    strata = np.arange(rows) % 3
    drawn = 0
    for counts in count_matrices(strata, 5, seed=1):
        drawn += len(counts)
        for code in range(3):
            assert (counts[:, strata == code].sum(axis=1) == (strata == code).sum()).all()
    assert drawn == 5


def test_kept_resamples_are_those_that_were_drawn():
    for seed in (1, 2, 1):
        for strata in (np.arange(900) % 3, np.arange(900) % 2, np.zeros(40, dtype=np.int64)):
            drawn = np.concatenate(list(resampling._drawn(strata, 300, seed)))
            assert np.array_equal(np.concatenate(list(count_matrices(strata, 300, seed))), drawn)
