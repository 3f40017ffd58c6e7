"""The permutation test: exact p-values, ties, groups, and many columns together."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2_contingency, fisher_exact, ks_2samp, norm, rankdata

from mlpipes_cli.monitoring.alarm.permutation import critical_value, draws_for, permutation_test, tail
from mlpipes_cli.monitoring.alarm.statistics import Totals, likelihood_ratio, statistic
from mlpipes_cli.monitoring.alarm.units import make_units
from mlpipes_cli.monitoring.columns.cells import level_cells, normal_scores, number_cells
from mlpipes_cli.monitoring.compare import compare
from mlpipes_cli.monitoring.results import Options


def test_g_is_that_of_the_two_by_two_table() -> None:
    table = np.array([[7, 13], [40, 340]])  # current: 7 of 20 in the cell; reference: 40 of 380
    found = likelihood_ratio(np.array([[7.0]]), np.array([47.0]), 20, 400)
    assert found[0, 0] == pytest.approx(
        chi2_contingency(table, correction=False, lambda_="log-likelihood")[0]
    )
    nothing = likelihood_ratio(
        np.array([[0.0]]), np.array([3.0]), 20, 400
    )  # an empty cell is no logarithm of 0
    expected = chi2_contingency([[0, 20], [3, 377]], correction=False, lambda_="log-likelihood")[0]
    assert nothing[0, 0] == pytest.approx(expected)


def test_the_p_value_of_two_levels_is_that_of_fisher_by_likelihood() -> None:
    """60 current rows, 9 of them 'b'; 60 of the reference, 2 of them 'b': the exact p-value of G by hand."""
    from scipy.stats import hypergeom

    counts = np.arange(0, 12)
    g = likelihood_ratio(counts[:, None].astype(float), np.array([11.0]), 60, 120)[:, 0]
    exact = hypergeom(120, 11, 60).pmf(counts)[g >= g[9] - 1e-9].sum()
    assert exact == pytest.approx(fisher_exact([[9, 51], [2, 58]])[1])  # symmetric: the same order
    reference = pd.DataFrame({"a": ["b"] * 2 + ["c"] * 58})
    current = pd.DataFrame({"a": ["b"] * 9 + ["c"] * 51})
    found = compare(reference, current, Options(alpha=0.0005)).columns[0]
    assert found.p is not None
    error = 4 * np.sqrt(exact / 250)  # drawing ends early: p is far above this alpha
    assert abs(found.p - exact) < error


def test_location_is_van_der_waerdens_test() -> None:
    rng = np.random.default_rng(3)
    values = rng.permutation(np.repeat(np.arange(8.0), 20))
    cells = number_cells(values, np.arange(values.size))
    assert cells.scores is not None
    ranks = rankdata(values) / values.size - 0.5 / values.size
    assert np.allclose(cells.scores[cells.codes], norm.ppf(ranks))
    first = 60
    observed = np.bincount(cells.codes[:first], minlength=cells.number)[None].astype(float)
    totals = Totals(
        np.bincount(cells.codes, minlength=cells.number).astype(float), first, values.size, cells.scores
    )
    scores = norm.ppf(ranks)
    z = abs(scores[:first].sum()) / np.sqrt(scores.var() * first * (1 - first / values.size))
    assert statistic(observed, totals)[0] >= -np.log(4 * 2 * norm.sf(z)) - 1e-9


def test_cells_show_the_distance_that_kolmogorov_and_smirnov_find() -> None:
    rng = np.random.default_rng(4)
    before, now = rng.normal(size=5000), rng.normal(0.5, 1, 3000)
    cells = number_cells(np.concatenate([before, now]), np.arange(8000))
    shares = [np.bincount(side, minlength=cells.number) / side.size for side in np.split(cells.codes, [5000])]
    distance = np.abs(np.cumsum(shares[0] - shares[1])).max()
    assert distance == pytest.approx(ks_2samp(before, now).statistic, abs=0.01)


@pytest.mark.parametrize(
    ("values", "cells"),
    [
        ([np.nan] * 5, 2),
        ([1.0] * 5, 2),
        ([-np.inf, 1.0, np.inf, np.nan, 1e308], 5),
        ([], 2),
        ([0.0, -0.0, 0.0], 2),
    ],
)
def test_cells_of_odd_numbers(values: list[float], cells: int) -> None:
    found = number_cells(np.array(values), np.arange(len(values)))
    assert found.number == cells
    assert ((found.codes == found.missing) == np.isnan(values)).all()
    assert np.isnan(normal_scores(found.codes, found.number)[-1])


def test_a_value_of_many_rows_is_a_cell_of_its_own() -> None:
    rng = np.random.default_rng(1)
    values = np.where(rng.random(4000) < 0.3, 7.5, rng.normal(7.5, 1, 4000))
    found = number_cells(values, np.arange(4000))
    cell = np.unique(found.codes[values == 7.5])
    assert cell.size == 1 and (values[found.codes == cell[0]] == 7.5).all()


def test_rare_levels_share_cells_by_how_often_they_occur() -> None:
    levels = np.repeat(np.arange(8), [50, 40, 1, 1, 2, 2, 9, 30])
    cells, of_cell = level_cells(np.append(levels, -1), 8, 3)
    assert of_cell.tolist()[:3] == [0, 1, 7]
    assert cells.codes[-1] == cells.missing
    assert np.bincount(cells.codes).tolist() == [50, 40, 30, 2, 4, 9, 1]


def test_units_are_whole_rows_of_one_side() -> None:
    units = make_units(30_000, 2_600, 100, np.random.default_rng(0))
    assert units.current_first and units.size == 5 and units.first == 520
    assert (units.rows[:520] >= 30_000).all() and (units.rows[520:] < 30_000).all()
    assert np.unique(units.rows).size == units.rows.size
    few = make_units(500, 100_000, 100, np.random.default_rng(0))
    assert not few.current_first and few.size == 1 and few.first == 500
    codes = np.random.default_rng(1).integers(0, 3, 32_600).astype(np.int16)
    assert (units.counts(codes, 3).sum(axis=1) == units.size).all()
    assert units.counts(codes, 3)[:520, 1].sum() == (codes[units.rows[:520]] == 1).sum()


def test_p_values_are_uniform_in_small_samples_with_ties() -> None:
    """All hypotheses together reject unchanged data at their level: 400 checks of 3 columns, 50 rows."""
    rejected = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        values = rng.poisson(0.3, size=(170, 3)).astype(float)
        units = make_units(120, 50, 9, rng)

        expected = 50 * values.mean(axis=0)

        def statistics(sums: np.ndarray, expected: np.ndarray = expected) -> np.ndarray:
            return np.abs(sums - expected)

        table = values[units.rows[:, 0]].astype(np.float32)
        rejected += permutation_test(table, units, statistics, 0.1, rng).p.min() <= 0.1
    assert 20 <= rejected <= 62  # 40 expected at most, 4 standard errors; ties make it fewer


def test_strongly_dependent_columns_cost_nothing() -> None:
    """Ten copies of one column have the p-value of the one."""
    rng = np.random.default_rng(8)
    before, now = rng.normal(size=400), rng.normal(0.3, 1, 200)
    one = compare(pd.DataFrame({"a": before}), pd.DataFrame({"a": now}), Options(joint=False)).columns[0]
    names = [f"a{index}" for index in range(10)]
    ten = compare(
        pd.DataFrame(dict.fromkeys(names, before)),
        pd.DataFrame(dict.fromkeys(names, now)),
        Options(joint=False),
    )
    assert one.p is not None and one.p < 0.05
    assert all(check.p == one.p for check in ten.columns)


def test_the_tail_goes_on_where_draws_end() -> None:
    rng = np.random.default_rng(5)
    largest = rng.exponential(size=20_000) + np.log(7)  # of seven p-values
    for alpha in (0.05, 1e-3, 1e-5):
        assert critical_value(largest, alpha) == pytest.approx(np.log(7 / alpha), abs=0.5)
    found = tail(largest, np.array([0.0, np.log(7e6)]))
    assert found[0] == 1 and found[1] == pytest.approx(1e-6, rel=0.6)
    assert draws_for(0.05) == 999 and draws_for(1 / 1095) == 10949 and draws_for(1e-9) == 19999


@pytest.mark.parametrize("alpha", [1e-3, 2e-5, 1e-6])
def test_a_change_is_found_at_every_level_however_often_checks_are_made(alpha: float) -> None:
    """Checks every ten minutes have a level of 3e-6 each, with one false alarm in a year."""
    random = np.random.default_rng(7)
    before = pd.DataFrame({"a": random.normal(size=600), "b": random.normal(size=600)})
    now = pd.DataFrame({"a": random.normal(size=300), "b": random.normal(size=300)})
    same = compare(before, now, Options(alpha=alpha, joint=False))
    moved = compare(before, now.assign(a=now["a"] + 2), Options(alpha=alpha, joint=False))
    assert (same.alarm, moved.alarm) == (False, True)
    by_name = {column.name: column for column in moved.columns}
    assert by_name["a"].p is not None and by_name["a"].p <= alpha
    assert by_name["b"].p is not None and by_name["b"].p > 0.05
