"""Samples of a distribution: counted ones are binomial, and what is asked for is next to what is drawn."""

import numpy as np
import pytest

from mlpipes_cli.scoring.sampling import Sampler

ASKED = np.array([0.0, 1e-5, 0.02, 0.3, 0.5, 0.9, 0.999, 1.0])


@pytest.mark.parametrize(
    ("least", "most", "counts"), [(20, 20, True), (900, 1100, True), (6000, 6000, False)]
)
def test_shares_are_those_of_samples(least, most, counts):
    random = np.random.default_rng(0)
    rows = random.integers(least, most + 1, size=4000)
    sampler = Sampler(rows, len(ASKED), random)
    truth, shares = sampler.rounded(ASKED), sampler(ASKED)
    assert sampler.counts is counts and shares.shape == (len(ASKED), 4000)
    error = np.sqrt(truth * (1.0 - truth) * (1.0 / rows).mean())
    assert np.all(np.abs(shares.mean(axis=1) - truth) <= 4.0 * error / np.sqrt(4000))
    common = slice(2, 6)  # the others are rare in 20 rows
    assert shares.std(axis=1)[common] == pytest.approx(error[common], rel=0.05)
    if counts:
        assert np.allclose(shares * rows, np.rint(shares * rows))
        assert np.all(np.diff(shares, axis=0) >= 0.0)


def test_the_grid_is_fine_at_both_ends():
    sampler = Sampler(np.full(3, 50), 1, np.random.default_rng(0))
    asked = np.concatenate(([0.0, 1.0], np.random.default_rng(1).random(500), np.geomspace(1e-4, 0.1, 50)))
    found = sampler.rounded(asked)
    assert found[:2].tolist() == [0.0, 1.0]
    assert np.abs(found - asked).max() < 0.001
    assert np.abs(found[-50:] / asked[-50:] - 1.0).max() < 0.15
    assert sampler.rounded(1.0 - asked) == pytest.approx(1.0 - found, abs=1e-12)
