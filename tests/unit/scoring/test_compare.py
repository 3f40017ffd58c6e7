"""The promotion test: what it says of clear cases, of ties, and how it refuses."""

import dataclasses

import numpy as np
import pytest

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.scoring.compare import compare
from mlpipes_cli.scoring.design import Design
from mlpipes_cli.scoring.metrics import evaluate
from mlpipes_cli.scoring.predictions import Predictions

RANDOM = np.random.default_rng(11)
ROWS = 1000
TARGET = (RANDOM.random(ROWS) < 0.3).astype(int)


def model(strength, seed, rows=slice(None)):
    noise = np.random.default_rng(seed).normal(size=ROWS)
    score = (1 / (1 + np.exp(-(noise + strength * (TARGET - 0.5)))))[rows]
    target = TARGET[rows]
    return Predictions("binary", (0, 1), target, score, (score > 0.5) * 1, np.arange(len(target)))


def number(error, seed):
    truth = np.random.default_rng(0).normal(size=ROWS)
    guess = truth + error * np.random.default_rng(seed).normal(size=ROWS)
    return Predictions("regression", (), truth, None, guess, np.arange(ROWS))


@pytest.mark.parametrize("metric", ["ks", "roc_auc", "pr_auc", "log_loss", "brier", "f1", "mcc", "accuracy"])
def test_a_clearly_better_model_is_better_and_not_the_other_way_round(metric):
    weak, strong = model(0.5, 1), model(2.5, 2)
    found = compare(weak, [strong], 0, metric, resamples=300)
    assert found.better
    assert 0 < found.lower < found.difference
    assert found.p_value < 0.05
    assert found.challenger == pytest.approx(evaluate(strong)[metric], rel=1e-12)
    assert found.incumbent == pytest.approx(evaluate(weak)[metric], rel=1e-12)
    back = compare(strong, [weak], 0, metric, resamples=300)
    assert not back.better
    assert back.difference == pytest.approx(-found.difference)
    assert back.reason.endswith("no improvement")


@pytest.mark.parametrize("metric", ["rmse", "mae", "r2"])
def test_regression_knows_which_way_is_better(metric):
    assert compare(number(1.0, 1), [number(0.5, 2)], 0, metric, resamples=300).better
    assert not compare(number(0.5, 1), [number(1.0, 2)], 0, metric, resamples=300).better


def test_multiclass():
    random = np.random.default_rng(1)
    codes = random.integers(0, 3, 600)

    def several(strength):
        logits = random.normal(size=(600, 3)) + strength * np.eye(3)[codes]
        scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        return Predictions("multiclass", (0, 1, 2), codes, scores, scores.argmax(axis=1), np.arange(600))

    for metric in ("f1_macro", "roc_auc_weighted", "ks_macro", "ks_weighted", "log_loss"):
        weak, strong = several(0.5), several(2.0)
        found = compare(weak, [strong], 0, metric, resamples=200)
        assert found.better
        assert found.incumbent == pytest.approx(evaluate(weak)[metric], rel=1e-12)
        assert found.challenger == pytest.approx(evaluate(strong)[metric], rel=1e-12)


@pytest.mark.parametrize("metric", ["ks", "roc_auc", "log_loss", "accuracy"])
def test_the_same_model_is_not_better_than_itself(metric):
    same = model(1.0, 1)
    found = compare(same, [same, same], 1, metric, resamples=100)
    assert (found.difference, found.better) == (0.0, False)


@pytest.mark.parametrize("metric", ["ks", "log_loss"])
def test_more_candidates_ask_for_more(metric):
    challengers = [model(1.6, 10 + k) for k in range(10)]
    alone = compare(model(1.0, 1), challengers[:1], 0, metric, resamples=400)
    of_ten = compare(model(1.0, 1), challengers, 0, metric, resamples=400)
    assert of_ten.difference == alone.difference
    assert of_ten.lower < alone.lower
    assert of_ten.p_value >= alone.p_value
    assert "corrected for 10 candidates" in of_ten.reason


def test_a_required_improvement_is_required():
    weak, strong = model(0.5, 1), model(2.5, 2)
    found = compare(weak, [strong], 0, "ks", min_improvement=0.9, resamples=200)
    assert not found.better
    assert found.p_value > 0.9
    assert "not above the required 0.9" in found.reason
    assert compare(weak, [strong], 0, "ks", min_improvement=0.05, resamples=200).better


def test_more_confidence_is_a_lower_bound():
    weak, strong = model(1.0, 1), model(1.6, 2)
    bounds = [compare(weak, [strong], 0, "ks", confidence=c, resamples=500).lower for c in (0.6, 0.95, 0.99)]
    assert bounds == sorted(bounds, reverse=True)


def test_a_seed_fixes_the_answer():
    pair = model(1.0, 1), [model(1.3, 2), model(1.2, 3)]
    assert compare(*pair, 0, "ks", seed=4) == compare(*pair, 0, "ks", seed=4)
    assert compare(*pair, 0, "ks", seed=4).lower != compare(*pair, 0, "ks", seed=5).lower


def test_too_few_rows_of_a_class_cannot_tell():
    rows = np.append(np.flatnonzero(TARGET == 0), np.flatnonzero(TARGET)[:19])
    found = compare(model(0.0, 1, rows), [model(9.0, 2, rows)], 0, "ks", resamples=100)
    assert not found.better
    assert (found.lower, found.p_value) == (-np.inf, 1.0)
    assert "19 rows of the rarer class are too few" in found.reason


def test_the_reason_has_the_numbers():
    weak, strong = model(1.0, 1), model(1.1, 2)
    found = compare(weak, [strong, weak], 0, "ks", resamples=200)
    assert not found.better
    text = (
        f"ks {found.challenger:.3f} against {found.incumbent:.3f}: {found.difference:+.3f}, but the 95 % "
        f"lower bound is {found.lower:+.3f} (corrected for 2 candidates on 1000 rows)"
    )
    assert found.reason == text
    loss = compare(number(1.0, 1), [number(0.5, 2)], 0, "rmse", resamples=100)
    assert "(lower is better): +0.4" in loss.reason and ", and the 95 % lower bound is +0." in loss.reason


def test_telling_rows():
    codes = np.repeat([0, 1, 2], [500, 480, 20])
    three = Predictions("multiclass", (0, 1, 2), codes, None, codes, np.arange(1000))
    assert Design().telling_rows(three, "f1_macro") == 20
    assert Design().telling_rows(three, "accuracy") == 500
    assert Design().telling_rows(model(1.0, 1), "ks") == TARGET.sum()
    assert Design().telling_rows(number(1.0, 1), "rmse") == ROWS


def test_models_of_different_rows_are_refused():
    with pytest.raises(MlpipesError, match="not scored on the same rows"):
        compare(model(1.0, 1), [model(1.0, 2, slice(0, 999))], 0, "ks")
    other = dataclasses.replace(model(1.0, 2), target=1 - TARGET)
    with pytest.raises(MlpipesError, match="not scored on the same rows"):
        compare(model(1.0, 1), [other], 0, "ks")


def test_an_undefined_metric_is_named():
    silent = dataclasses.replace(model(1.0, 1), scores=None)
    with pytest.raises(MlpipesError, match="ks is undefined for the incumbent on these 1000 rows"):
        compare(silent, [model(1.0, 2)], 0, "ks")
    with pytest.raises(MlpipesError, match="rmse is undefined"):
        compare(model(1.0, 1), [model(1.0, 2)], 0, "rmse")
    with pytest.raises(IndexError):
        compare(model(1.0, 1), [model(1.0, 2)], 1, "ks")
