"""Intervals: the same for the same seed, holding the value, and wide as theory says."""

import numpy as np
import pytest

from mlpipes_cli.scoring import resampling
from mlpipes_cli.scoring.bootstrap import intervals
from mlpipes_cli.scoring.design import Design
from mlpipes_cli.scoring.intervals import label_intervals
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


def test_a_handful_of_rows_gives_no_interval():
    p = binary(60).take(
        np.append(np.flatnonzero(binary(60).target == 0), np.flatnonzero(binary(60).target)[:1])
    )
    assert intervals(p) == dict.fromkeys(evaluate(p))
    two = Predictions("regression", (), [1.0, 2.0], None, [1.5, 1.0], [1, 2])
    assert intervals(two) == dict.fromkeys(evaluate(two))
    random = np.random.default_rng(2)
    scores = random.dirichlet([1, 1, 1], 90)
    codes = np.append(random.integers(0, 2, 89), 2)
    three = Predictions("multiclass", (0, 1, 2), codes, scores, scores.argmax(axis=1), np.arange(90))
    found = intervals(three, resamples=50)
    assert found["recall_macro"] is None and found["recall_weighted"] is not None


def test_precision_rests_on_the_rows_that_are_predicted():
    p = binary()
    few = np.where(np.arange(p.rows) < 3, 1, 0)
    rarely = Predictions("binary", (0, 1), p.target, p.scores, few, p.ids)
    found = intervals(rarely, resamples=50)
    assert found["precision"] is None and found["recall"] is not None


def test_precision_of_several_classes_rests_on_the_class_that_is_hardly_predicted():
    random = np.random.default_rng(3)
    codes = np.repeat([0, 1, 2], [20, 40, 60])
    scores = random.dirichlet([1, 1, 1], 120)
    for predicted, told in ((4, False), (5, True)):
        labels = np.where(np.arange(120) < predicted, 0, 1 + np.arange(120) % 2)
        p = Predictions("multiclass", (0, 1, 2), codes, scores, labels, np.arange(120))
        found = intervals(p, resamples=50)
        assert [found[f"precision_{how}"] is not None for how in ("macro", "weighted")] == [told, told]
        assert found["recall_macro"] is not None and found["f1_macro"] is not None
    freedom = {name: Design().freedom(p, name) for name in ("precision_macro", "ks_weighted", "f1_weighted")}
    assert freedom == {"precision_macro": 4.0, "ks_weighted": 19.0, "f1_weighted": 59.0}


def test_without_a_mistake_there_is_doubt_all_the_same():
    target = np.repeat([1, 0], [20, 180])
    p = Predictions("binary", (0, 1), target, target * 0.98 + 0.01, target, np.arange(200))
    found = intervals(p)
    assert found["recall"] == pytest.approx((0.8609, 1.0), abs=4e-3)  # the mid-P interval of 20 out of 20
    for name in ("ks", "roc_auc", "pr_auc", "precision", "f1", "mcc", "accuracy"):
        assert 0.5 < found[name][0] < 0.99 and found[name][1] == 1.0, name
    # Of 20 positive rows none is low in a fortieth of samples where 17 % are: KS 0.83 and ROC AUC 0.92.
    assert found["roc_auc"][0] == pytest.approx(0.935, abs=0.02)
    assert found["ks"][0] == pytest.approx(0.85, abs=0.02)


def test_ten_answers_to_each_caller_say_no_more_than_one():
    p = binary()
    once = intervals(p, design=Design(stratified=False))
    units = np.repeat(np.arange(p.rows), 10)
    ten = intervals(p.take(units), design=Design(stratified=False, units=units))
    naive = intervals(p.take(units), design=Design(stratified=False))
    for name, pair in once.items():
        of_labels = name in label_intervals.NAMES  # for units, by the resamples' error
        assert ten[name] == pytest.approx(pair, abs=0.012 if of_labels else 0.004), name
        assert naive[name][1] - naive[name][0] < 0.55 * (pair[1] - pair[0]), name


def test_classes_that_are_drawn_as_well_add_to_the_doubt():
    target = np.repeat([1, 0], [50, 450])
    score = np.where(target == 1, 0.2, 0.08) * np.random.default_rng(0).uniform(0.8, 1.2, 500)
    p = Predictions("binary", (0, 1), target, score, (score > 0.19).astype(int), np.arange(500))
    given, drawn = intervals(p), intervals(p, design=Design(stratified=False))
    width = {name: (drawn[name][1] - drawn[name][0]) / (given[name][1] - given[name][0]) for name in given}
    assert width["recall"] == pytest.approx(1.0, abs=0.15)
    # The luck of how many rows are positive is nearly all: a binomial's deviation times what one costs.
    loss = -np.log(np.where(target == 1, score, 1.0 - score))
    cost = loss[:50].mean() - loss[50:].mean()
    half = 1.96 * cost * np.sqrt(0.1 * 0.9 / 500)
    assert drawn["log_loss"][1] - drawn["log_loss"][0] == pytest.approx(2.0 * half, rel=0.1)
    assert width["log_loss"] > 5.0


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
