"""Intervals of labels: the exact ones of a share, and exact coverage where it can be added up."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import binom

from mlpipes_cli.scoring.bootstrap import intervals
from mlpipes_cli.scoring.design import Design
from mlpipes_cli.scoring.intervals import label_intervals
from mlpipes_cli.scoring.intervals.label_intervals import NAMES, LabelTest
from mlpipes_cli.scoring.metrics import evaluate
from mlpipes_cli.scoring.predictions import Predictions

TAILS = (0.025, 0.975)


def labelled(hits, alarms, positives=20, negatives=80):
    target = np.repeat([1, 0], [positives, negatives])
    label = np.concatenate((np.arange(positives) < hits, np.arange(negatives) < alarms)) * 1
    return Predictions("binary", (0, 1), target, None, label, np.arange(len(target)))


def of_table(hits, alarms, *, stratified=True, sizes=(20, 80)):
    p = labelled(hits, alarms, *sizes)
    return LabelTest(p.target_codes, p.prediction_codes, stratified=stratified)


@pytest.mark.parametrize("rows", [20, 200])
def test_a_recall_has_its_mid_p_interval(rows):
    """The shares at which 2.5 % of samples lie beyond the observed number, half of its own chance added."""
    for right in {0, 1, rows // 2, rows - 3, rows}:

        def above(share, right=right):
            return binom.sf(right, rows, share) + binom.pmf(right, rows, share) / 2

        lower = brentq(lambda share: above(share) - 0.025, 1e-9, 1 - 1e-9) if right else 0.0
        upper = brentq(lambda share: above(share) - 0.975, 1e-9, 1 - 1e-9) if right < rows else 1.0
        found = of_table(right, 10, sizes=(rows, 80)).intervals({"recall": 1.0}, TAILS)["recall"]
        assert found == pytest.approx((lower, upper), abs=0.45 / rows)


def test_quantiles_are_those_of_the_binomial_distribution():
    even = label_intervals._even(2)[0]
    for rows, share in ((20, 0.5), (20, 1e-4), (5000, 0.003), (60_000, 0.75)):
        found = label_intervals._quantiles(rows, np.array([np.log(share / (1 - share))]), even)
        assert (found[0] == binom.ppf(even, rows, share)).all(), (rows, share)


def test_the_points_fill_the_square_evenly():
    for dimensions in (2, 3):
        points = label_intervals._even(dimensions)
        assert len(points) == dimensions
        for one in points:
            assert np.abs(np.sort(one) - (np.arange(512) + 0.5) / 512).max() < 0.02


@pytest.fixture(scope="module")
def exact():
    path = list(sys.path)
    file = Path(__file__).parents[4] / "benchmarks" / "intervals" / "exact.py"
    spec = importlib.util.spec_from_file_location("exact_coverage", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.path[:] = path
    module.LEAST_CHANCE = 5e-4  # 4 % are left out
    return module


def test_the_coverage_of_20_rows_added_up_over_all_tables(exact):
    """Wilson's formula with the resamples' error had 92 (MCC) to 97 % (precision)."""
    for name, (given, held) in exact.Tables(20, 4).coverage((0.6, 0.4)).items():
        assert given > 0.94, name
        assert held + 1.0 - given > 0.945, name  # at most; those left out are far off, and hold less often
        assert held > 0.91 and held / given < 0.985, name


def test_the_benchmark_adds_up_what_is_known(exact):
    """At 0.95 Clopper and Pearson's interval holds for 17 right of 20 and more, Wilson's for 18 and more."""
    chances = binom.pmf(np.arange(21), 20, 0.95)
    for method, least in ((exact.clopper_pearson, 17), (exact.mid_p, 17), (exact.wilsons, 18)):
        found = exact.of_a_share(method, 20, np.array([0.95]))
        assert found == pytest.approx(100 * chances[least:].sum()), method


def test_of_many_rows_all_have_their_textbook_intervals():
    found = {
        name: of_table(15_000, 20_000, sizes=(20_000, 80_000)).intervals({name: 1.0}, TAILS)[name]
        for name in NAMES
    }
    true, false = 0.75 * 0.25 / 20_000, 0.25 * 0.75 / 80_000  # variances of both rates
    precision, f1 = 15 / 35, 30 / 55
    pulls = {
        "recall": (1.0, 0.0),
        "accuracy": (0.2, -0.8),
        "precision": (precision * (1 - precision) / 0.75, -precision * (1 - precision) / 0.25),
        "f1": (f1 * (1 - f1 / 2) / 0.75, -4 * f1 * f1 / 2 / 0.75),
    }
    for name, (of_true, of_false) in pulls.items():
        half = 1.96 * np.sqrt(of_true**2 * true + of_false**2 * false)
        value = evaluate(labelled(15_000, 20_000, 20_000, 80_000))[name]
        assert found[name] == pytest.approx((value - half, value + half), abs=0.05 * half), name


def test_a_drawn_number_of_positive_rows_adds_to_the_doubt():
    """Of all rows that are predicted positive, so many are: a share of those rows, of 21 to 48 %."""
    given, drawn = (
        of_table(15, 30, stratified=how).intervals({"precision": 1.0}, TAILS)["precision"]
        for how in (True, False)
    )
    assert drawn[0] < given[0] < given[1] < drawn[1]
    share = of_table(15, 0, sizes=(45, 80)).intervals({"recall": 1.0}, TAILS)["recall"]
    assert drawn == pytest.approx(share, abs=0.012)


def test_without_a_prediction_an_interval_is_as_long_as_it_can_be():
    found = {name: of_table(0, 0).intervals({name: 1.0}, TAILS)[name] for name in NAMES}
    assert found["recall"][0] == found["f1"][0] == found["precision"][0] == 0.0
    assert 0.1 < found["recall"][1] < 0.2 and found["precision"][1] > 0.9
    assert found["mcc"][0] < 0.0 < found["mcc"][1]


def test_rows_in_units_keep_the_resamples_error():
    p = labelled(15, 20)
    units = np.arange(100) // 2
    found = intervals(p, design=Design(stratified=False, units=units), resamples=200)
    assert found != intervals(p, design=Design(stratified=False), resamples=200)
    assert found.keys() == evaluate(p).keys()
