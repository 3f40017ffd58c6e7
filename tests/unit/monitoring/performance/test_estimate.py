"""Estimates where the truth is late: right values, coverage, and when there is none."""

from __future__ import annotations

import numpy as np
import pytest

from mlpipes_cli.monitoring.performance.assess import assess
from mlpipes_cli.monitoring.performance.calibration import Calibrator
from mlpipes_cli.monitoring.performance.estimate import METHOD, estimates
from mlpipes_cli.scoring.metrics import evaluate
from mlpipes_cli.scoring.predictions import Predictions


def rows(count: int, seed: int, *, mean: float = -1.0, overconfident: float = 1.0) -> Predictions:
    """Binary rows whose log odds are normal: the mean moves how hard they are, not what a score means."""
    random = np.random.default_rng(seed)
    odds = random.normal(mean, 1.5, size=count)
    target = (random.random(count) < 1 / (1 + np.exp(-odds))) * 1
    score = 1 / (1 + np.exp(-overconfident * odds))
    return Predictions("binary", (0, 1), target, score, (score > 0.5) * 1, np.arange(count))


def test_two_scores_of_known_shares_give_the_metrics_of_these_shares() -> None:
    """Score 0.9 is positive in 80 % and 0.2 in 10 % of the holdout: the scores do not count."""
    score = np.repeat([0.9, 0.2], 100)
    target = np.concatenate([np.arange(100) < 80, np.arange(100) < 10]) * 1
    holdout = Predictions("binary", (0, 1), target, score, (score > 0.5) * 1, np.arange(200))
    found, why = estimates(holdout, np.repeat([0.9, 0.2], [60, 140]), None, seed=1)
    assert why == ""
    true, false = 60 * 0.8, 60 * 0.2
    missed = 140 * 0.1
    assert found["precision"].value == pytest.approx(0.8, abs=0.002)
    assert found["recall"].value == pytest.approx(true / (true + missed), abs=0.002)
    assert found["f1"].value == pytest.approx(2 * true / (2 * true + false + missed), abs=0.002)
    assert found["brier"].value == pytest.approx(
        (true * 0.01 + false * 0.81 + missed * 0.64 + 126 * 0.04) / 200, abs=0.002
    )
    assert found["ks"].value == pytest.approx(true / (true + missed) - false / (false + 126), abs=0.002)
    assert found["ks"].rows == 200 and found["ks"].method == METHOD and "estimate" in METHOD


def test_harder_rows_are_seen_although_the_scores_are_overconfident() -> None:
    holdout, harder = rows(2000, 1, overconfident=2.0), rows(3000, 2, mean=0.0, overconfident=2.0)
    found, _ = estimates(holdout, harder.scores, harder.prediction, seed=0)
    truth = evaluate(harder)
    assert set(found) == set(truth)
    for name, one in found.items():
        assert one.interval[0] - 0.02 <= truth[name] <= one.interval[1] + 0.02, (name, one, truth[name])
    assert found["accuracy"].value < evaluate(holdout)["accuracy"] - 0.03


def test_intervals_hold_the_value_of_many_rows_about_as_often_as_they_say() -> None:
    truth = evaluate(rows(200_000, 99, mean=-0.5))
    held = dict.fromkeys(("roc_auc", "ks", "f1", "brier"), 0)
    for seed in range(20):
        found, _ = estimates(rows(400, 2 * seed), rows(500, 2 * seed + 1, mean=-0.5).scores, None, seed)
        for name in held:
            low, high = found[name].interval
            held[name] += low <= truth[name] <= high
    assert all(count >= 16 for count in held.values()), held  # of 20; 19 expected


def test_several_classes_by_their_own_calibration() -> None:
    random = np.random.default_rng(1)
    logits = random.normal(size=(900, 3)) * 1.5
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    codes = (random.random((900, 1)) > np.cumsum(shares, axis=1)).sum(axis=1)
    p = Predictions("multiclass", (1, 2, 3), codes + 1, shares, shares.argmax(axis=1) + 1, np.arange(900))
    found, why = estimates(p, shares[:400], None, seed=0)
    assert why == "" and set(found) == set(evaluate(p))
    assert found["accuracy"].value == pytest.approx(shares[:400].max(axis=1).mean(), abs=0.03)
    assert estimates(p, shares[:400, :2], None, seed=0)[1].endswith("number of classes than the holdout's")


def test_the_way_that_errs_less_is_kept() -> None:
    random = np.random.default_rng(3)
    score = random.random(4000)
    for shares, way in ((score, "beta"), (np.where(score < 0.9, 0.02, 0.98), "isotonic")):
        positive = random.random(4000) < shares
        found = Calibrator(score, positive, np.ones(4000, dtype=np.int64), score, probabilities=True, seed=0)
        assert found.way == way
        assert np.abs(found.convert(np.ones(4000)) - shares).mean() < 0.02


def test_when_there_is_no_estimate() -> None:
    holdout = rows(500, 1)
    score = rows(200, 2).scores
    assert score is not None
    assert estimates(holdout, None, None, 0) == ({}, "")
    assert "49 scores are too few" in estimates(holdout, np.append(score[:49], np.nan), None, 0)[1]
    assert "no stored holdout" in estimates(None, score, None, 0)[1]
    few = holdout.take(
        np.concatenate([np.flatnonzero(holdout.target == 1)[:19], np.flatnonzero(holdout.target == 0)])
    )
    assert "19 rows of the rarest class" in estimates(few, score, None, 0)[1]
    numbers = Predictions("regression", (), np.arange(50.0), None, np.arange(50.0), np.arange(50))
    assert "regression have no scores" in estimates(numbers, score, None, 0)[1]
    odd = Predictions("binary", (0, 1), holdout.target, holdout.scores, holdout.target, holdout.ids)
    assert set(estimates(odd, score, None, 0)[0]) == {"ks", "roc_auc", "pr_auc", "log_loss", "brier"}


def test_a_check_without_any_truth_has_estimates_alone() -> None:
    found = assess(None, None, rows(500, 1), metric="roc_auc", unlabelled_scores=rows(300, 2).scores)
    assert found.predictions == 300 and found.with_truth == 0 and not found.alarm
    assert found.estimates["roc_auc"].rows == 300
    one = found.estimates["roc_auc"]
    ends = f"[{one.interval[0]:.3g}, {one.interval[1]:.3g}]"
    assert found.verdict == f"roc_auc: no ground truth yet; {one.value:.3g} {ends} by estimate"
    assert found == assess(None, None, rows(500, 1), metric="roc_auc", unlabelled_scores=rows(300, 2).scores)
