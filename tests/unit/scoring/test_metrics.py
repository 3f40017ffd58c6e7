"""Each metric against scikit-learn and SciPy, on random data with ties, tiny classes and extreme scores."""

import math

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st

from mlpipes_cli import metric_catalog
from mlpipes_cli.scoring.metrics import evaluate, scorer
from mlpipes_cli.scoring.predictions import Predictions

EXACT = {"rel": 1e-12, "abs": 1e-14}
SCORES = st.one_of(
    st.sampled_from([0.0, 1.0, 0.5, 0.25, 1e-300, 1e-17, 1 - 1e-16, 1 - 2**-53]),
    st.floats(0.0, 1.0),
)


def reference_binary(target, score, label):
    """Positive class 1, by the public libraries alone."""
    values = {
        "f1": sk.f1_score(target, label, zero_division=0),
        "precision": sk.precision_score(target, label, zero_division=0),
        "recall": sk.recall_score(target, label, zero_division=0),
        "mcc": sk.matthews_corrcoef(target, label),
        "accuracy": sk.accuracy_score(target, label),
        "log_loss": sk.log_loss(target, np.stack([1 - score, score], axis=1), labels=[0, 1]),
        "brier": float(np.mean((score - target) ** 2)),
    }
    if 0 < target.sum() < len(target):
        values |= {
            "ks": scipy.stats.ks_2samp(score[target == 1], score[target == 0]).statistic,
            "roc_auc": sk.roc_auc_score(target, score),
            "pr_auc": sk.average_precision_score(target, score),
            "brier": sk.brier_score_loss(target, score),
        }
    return values


def reference_multiclass(target, scores, label):
    values = {
        "mcc": sk.matthews_corrcoef(target, label),
        "accuracy": sk.accuracy_score(target, label),
        "log_loss": sk.log_loss(target, scores, labels=list(range(scores.shape[1]))),
    }
    for how in ("macro", "weighted"):
        values[f"f1_{how}"] = sk.f1_score(target, label, average=how, zero_division=0)
        values[f"precision_{how}"] = sk.precision_score(target, label, average=how, zero_division=0)
        values[f"recall_{how}"] = sk.recall_score(target, label, average=how, zero_division=0)
    if len(np.unique(target)) == scores.shape[1]:
        hot = np.eye(scores.shape[1])[target]
        distances = [
            scipy.stats.ks_2samp(s[t == 1], s[t == 0]).statistic for s, t in zip(scores.T, hot.T, strict=True)
        ]
        for how, weights in (("macro", None), ("weighted", hot.sum(axis=0))):
            values[f"roc_auc_{how}"] = sk.roc_auc_score(target, scores, multi_class="ovr", average=how)
            values[f"pr_auc_{how}"] = sk.average_precision_score(hot, scores, average=how)
            values[f"ks_{how}"] = np.average(distances, weights=weights)
    return values


def agree(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, **EXACT), name


@pytest.mark.filterwarnings("ignore:A single label was found", "ignore:ks_2samp")
@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 1), SCORES, st.integers(0, 1)), min_size=1, max_size=60),
)
def test_binary_equals_the_libraries(rows):
    target, score, label = (np.array(column) for column in zip(*rows, strict=True))
    agree(
        evaluate(Predictions("binary", (0, 1), target, score, label, np.arange(len(target)))),
        reference_binary(target, score.astype(float), label),
    )


@pytest.mark.filterwarnings("ignore:A single label was found")
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), rows=st.integers(1, 80), classes=st.integers(3, 6), ties=st.booleans())
def test_multiclass_equals_the_libraries(seed, rows, classes, ties):
    random = np.random.default_rng(seed)
    target = random.choice(classes, rows, p=random.dirichlet(np.ones(classes) / 2))
    scores = random.dirichlet(np.full(classes, 0.3), rows)
    if ties:
        counts = random.multinomial(4, np.full(classes, 1 / classes), rows)
        scores = counts / 4.0
    label = random.integers(classes, size=rows)
    agree(
        evaluate(Predictions("multiclass", tuple(range(classes)), target, scores, label, np.arange(rows))),
        reference_multiclass(target, scores, label),
    )


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**31), rows=st.integers(2, 80), offset=st.sampled_from([0.0, 1e6, -3.0]))
def test_regression_equals_the_libraries(seed, rows, offset):
    random = np.random.default_rng(seed)
    target = random.normal(size=rows) + offset
    label = target + random.standard_t(2, size=rows)
    expected = {
        "rmse": sk.root_mean_squared_error(target, label),
        "mae": sk.mean_absolute_error(target, label),
        "r2": sk.r2_score(target, label),
        "mape": sk.mean_absolute_percentage_error(target, label),
    }
    found = evaluate(Predictions("regression", (), target, None, label, np.arange(rows)))
    assert 1 - found.pop("r2") == pytest.approx(1 - expected.pop("r2"), rel=1e-11)
    agree(found, expected)


def large_binary(rows=5_000, seed=1):
    random = np.random.default_rng(seed)
    target = (random.random(rows) < 0.03).astype(int)
    score = np.round(1 / (1 + np.exp(-random.normal(size=rows) - 1.5 * target + 2)), 3)
    return target, score, (score > 0.3).astype(int)


def test_binary_on_many_rows():
    target, score, label = large_binary()
    agree(
        evaluate(Predictions("binary", (0, 1), target, score, label, np.arange(len(target)))),
        reference_binary(target, score, label),
    )


def test_weights_count_rows_as_often_as_they_say():
    random = np.random.default_rng(3)
    target, score, label = large_binary(300)
    target[:4] = 1
    whole = Predictions("binary", (0, 1), target, score, label, np.arange(300))
    weights = random.integers(0, 4, size=(5, 300)).astype(float)
    found = scorer(whole).values(weights)
    for row, counts in enumerate(weights):
        repeated = evaluate(whole.take(np.repeat(np.arange(300), counts.astype(int))))
        agree({name: value[row] for name, value in found.items()}, repeated)


def test_weights_of_multiclass_and_regression():
    random = np.random.default_rng(4)
    weights = random.integers(1, 4, size=(3, 120)).astype(float)
    target = random.integers(0, 3, 120)
    scores = random.dirichlet([1, 1, 1], 120)
    several = Predictions("multiclass", (0, 1, 2), target, scores, scores.argmax(axis=1), np.arange(120))
    number = random.normal(size=120)
    regression = Predictions("regression", (), number, None, number + random.normal(size=120), np.arange(120))
    for p in (several, regression):
        found = scorer(p).values(weights)
        for row, counts in enumerate(weights):
            repeated = evaluate(p.take(np.repeat(np.arange(120), counts.astype(int))))
            agree({name: value[row] for name, value in found.items()}, repeated)


def test_scores_that_are_no_probabilities_have_rankings_only():
    target, score, label = large_binary(400)
    found = evaluate(Predictions("binary", (0, 1), target, score * 9 - 4, label, np.arange(400)))
    assert {"log_loss", "brier"}.isdisjoint(found)
    assert found["roc_auc"] == pytest.approx(sk.roc_auc_score(target, score * 9 - 4), **EXACT)


def test_undefined_metrics_are_left_out():
    one_class = Predictions("binary", (0, 1), [1, 1], [0.2, 0.9], [0, 1], [1, 2])
    assert {"ks", "roc_auc", "pr_auc"}.isdisjoint(evaluate(one_class))
    no_scores = Predictions("binary", (0, 1), [1, 0], None, [0, 1], [1, 2])
    assert evaluate(no_scores).keys() == {"f1", "precision", "recall", "mcc", "accuracy"}
    zeros = Predictions("regression", (), [0.0, 1.0], None, [0.5, 1.0], [1, 2])
    assert evaluate(zeros).keys() == {"rmse", "mae", "r2"}
    constant = Predictions("regression", (), [2.0, 2.0], None, [0.5, 1.0], [1, 2])
    assert "r2" not in evaluate(constant)
    huge = Predictions("regression", (), [1.0, 2.0], None, [1e200, 1.0], [1, 2])
    assert evaluate(huge).keys() == {"mae", "mape"}
    three = [[0.5, 0.3, 0.2], [0.1, 0.8, 0.1]]
    absent = Predictions("multiclass", ("a", "b", "c"), ["a", "b"], three, ["a", "b"], [1, 2])
    assert not any(name.startswith(("ks", "roc", "pr_auc")) for name in evaluate(absent))
    unscaled = Predictions("multiclass", ("a", "b", "c"), ["a", "b"], np.array(three) * 2, ["a", "b"], [1, 2])
    assert "log_loss" not in evaluate(unscaled)


def test_the_catalogue_is_complete_where_everything_is_defined():
    target, score, label = large_binary(400)
    found = evaluate(Predictions("binary", (0, 1), target, score, label, np.arange(400)))
    assert list(found) == [metric.name for metric in metric_catalog.BINARY]
    assert all(math.isfinite(value) for value in found.values())
