"""The sequential test for decay: its formula, its patience, and what it depends on."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from mlpipes_cli.monitoring.performance.decay import Window, decay, log_ratios


def windows(scores: np.ndarray, rows: int = 50, holdout: int = 400) -> list[Window]:
    return [Window(float(norm.sf(score)), rows, holdout, float(score) / 10) for score in scores]


def drawn(random: np.random.Generator, count: int, shift: float, *, since: int = 0) -> np.ndarray:
    """Return normal scores of windows of 50 rows against one holdout of 400."""
    live = random.normal(size=count) / np.sqrt(50) + shift * (np.arange(count) >= since)
    return np.asarray((live + random.normal() / np.sqrt(400)) / np.sqrt(1 / 50 + 1 / 400))


def test_a_ratio_is_that_of_two_normal_densities_over_the_sizes() -> None:
    """From the definition: densities of correlated differences, integrated over a half-normal size."""
    scores, rows, holdout = np.array([0.3, 1.2, 2.0]), np.array([20, 60, 40]), 100
    given = [Window(float(norm.sf(z)), int(n), holdout, 0.0) for z, n in zip(scores, rows, strict=True)]
    moved = scores * np.sqrt(1 / rows + 1 / holdout)
    covariance = np.diag(1 / rows) + 1 / holdout
    sizes = (np.arange(400) + 0.5) / 400 * 2.0
    prior = 2 * norm.pdf(sizes, scale=0.25) * 2.0 / 400
    for begin, found in enumerate(list(log_ratios(given))[-1]):
        pattern = np.arange(3) >= begin
        alternative = [multivariate_normal.pdf(moved, size * pattern, covariance) for size in sizes]
        none = multivariate_normal.pdf(moved, np.zeros(3), covariance)
        assert found == pytest.approx(np.log(prior @ alternative / none), abs=1e-3)


def test_a_decay_is_found_and_its_begin_is_told() -> None:
    scores = drawn(np.random.default_rng(2), 60, 0.4, since=40)
    found = decay(windows(scores), patience=730, min_effect=0.1)
    assert found["alarm"] and found["evidence"] >= found["threshold"] == 730 * 1.25
    assert -24 <= found["since"] <= -16
    assert 1 <= found["alarming"] <= 20
    assert found["windows"] == 60 and found["rows"] == 3000
    assert not decay(windows(scores[:40]), patience=730, min_effect=0.1)["alarm"]
    assert not decay(windows(scores), patience=730, min_effect=5.0)["alarm"]  # too small to matter


def test_unchanged_windows_seldom_alarm_however_unlucky_the_holdout_is() -> None:
    """120 times 60 windows: with a patience of 120 windows at most half of the series may alarm."""
    random = np.random.default_rng(5)
    alarms = sum(
        decay(windows(drawn(random, 60, 0.0)), patience=120, min_effect=-9)["alarming"] > 0
        for _ in range(120)
    )
    assert alarms <= 60
    assert (
        sum(decay(windows(drawn(random, 60, 0.3)), patience=120, min_effect=-9)["alarm"] for _ in range(40))
        >= 30
    )


def test_it_depends_on_what_checks_have_stored_alone() -> None:
    given = windows(drawn(np.random.default_rng(3), 30, 0.2))
    stored = json.loads(json.dumps([window.stored() for window in given]))
    assert decay([Window.of(one) for one in stored], patience=730, min_effect=0.1) == decay(
        given, patience=730, min_effect=0.1
    )
    none = decay([], patience=730, min_effect=0.1)
    assert (none["alarm"], none["windows"], none["since"]) == (False, 0, None)
