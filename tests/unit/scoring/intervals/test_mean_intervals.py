"""Intervals of losses: the ends by hand, and what a few large rows cost."""

import numpy as np
import pytest
from scipy.stats import norm, t

from mlpipes_cli.scoring.bootstrap import intervals
from mlpipes_cli.scoring.intervals.mean_intervals import Ratio, Studentised, freedom
from mlpipes_cli.scoring.metrics import evaluate
from mlpipes_cli.scoring.predictions import Predictions
from mlpipes_cli.scoring.resampling import count_matrices

TAILS = (0.025, 0.975)


def alike(rows):
    return [np.arange(rows)]


def test_39_resamples_end_at_their_extremes():
    """Of 39 the lowest and the highest have a fortieth of the distribution beyond them on average."""
    losses, strata = np.random.default_rng(0).exponential(size=60), np.zeros(60, dtype=np.int64)
    one = Studentised({"mae": Ratio(losses, np.ones(60))}, strata, None)
    moved, error = [], losses.std(ddof=1) / np.sqrt(60) / losses.mean()
    for counts in count_matrices(strata, 39, seed=0):
        one.draw(counts)
        for drawn in (np.repeat(losses, row.astype(int)) for row in counts):
            own = drawn.std(ddof=1) / np.sqrt(60) / drawn.mean()
            moved.append(np.log(drawn.mean() / losses.mean()) / max(own, error / 2))
    wider = t.ppf(0.975, freedom(losses, np.ones(60), alike(60))) / norm.ppf(0.975)
    ends = [losses.mean() * np.exp(-end * wider * error) for end in (max(moved), min(moved))]
    assert one.intervals(TAILS)["mae"] == pytest.approx(ends)


def test_degrees_of_freedom():
    ones = np.ones(100)
    assert freedom(ones, ones, alike(100)) == pytest.approx(99)
    # Half of the rows carry the denominator.
    assert freedom(ones, np.repeat([0.0, 2.0], 50), alike(100)) == pytest.approx(49)
    # A fifth of the rows are all of the variance: squares of mean 0.2 and variance 0.16 a row.
    losses = ones + np.repeat([1.0, -1.0, 0.0], [10, 10, 80])
    assert freedom(losses, ones, alike(100)) == pytest.approx(2 * 100 * 0.2**2 / 0.16)
    # One row is nearly all.
    assert freedom(np.append(np.full(99, 1e-3), 1e3), ones, alike(100)) == 3.0
    # What lies between strata whose sizes are given is no doubt; all that tells is who carries the sum.
    halves = np.repeat([1.0, 5.0], 50)
    assert freedom(halves, ones, np.split(np.arange(100), 2)) == pytest.approx(300**2 / 1300 - 1)


def test_an_end_is_a_number_where_resamples_lose_all_that_varies():
    """One mistake of a model with two scores is most of its loss; a third of the resamples are without it."""
    target = np.repeat([1, 0], [20, 80])
    wrong = np.isin(np.arange(100), [0, 50])
    score = np.where(wrong == (target == 0), 0.85, 0.01)
    p = Predictions("binary", (0, 1), target, score, (score > 0.5) * 1, np.arange(100))
    value, found = evaluate(p), intervals(p, only=["log_loss", "brier"])
    assert found.keys() == {"log_loss", "brier"}
    for name, most in (("log_loss", 20.0), ("brier", 1.0)):
        lower, upper = found[name]
        assert 0.0 < lower < value[name] < upper <= most, name
        assert upper > 3.0 * value[name], name
