from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.feature_selection import f_classif

from mlpipes_cli.data.understanding.relation import Known, known, relation

RANDOM = np.random.default_rng(11)
ROWS = 2000


def related(values: object, kind: str, target: Known | None) -> tuple[str, float | None]:
    assert target is not None
    found = relation(pd.Series(values), kind, target, lambda value: f"{value:g}")
    return found.measure, found.value


@pytest.mark.parametrize(
    ("values", "kind", "task", "level", "mean"),
    [
        (["no", "yes", "no"], "text", "binary", "yes", 1 / 3),
        ([1.0, 0.0, 1.0], "number", "binary", "1", 2 / 3),
        ([True, False, False], "boolean", "binary", "true", 1 / 3),
        ([1.0, 2.0, 3.0, 3.0], "number", "multiclass", "3", 0.5),
        ([0.5, 2.0, 3.0], "number", "regression", None, 5.5 / 3),
        (list(map(float, range(21))), "number", "regression", None, 10.0),
    ],
)
def test_targets_by_the_rules_of_experiments(
    values: list[object], kind: str, task: str, level: str | None, mean: float
) -> None:
    found = known(pd.Series(values), kind)
    assert found is not None
    assert (found.task, found.level) == (task, level)
    assert found.shown.mean() == pytest.approx(mean)


def test_no_target() -> None:
    assert known(pd.Series(["a", "a"]), "text") is None
    assert known(pd.Series([], dtype="float64"), "number") is None


def test_the_correlation_ratio_is_that_of_analysis_of_variance() -> None:
    groups = RANDOM.integers(0, 6, ROWS)
    y = groups * 0.3 + RANDOM.normal(size=ROWS)
    measure, value = related([f"g{one}" for one in groups], "text", known(pd.Series(y), "number"))
    (f,), _ = f_classif(y[:, None], groups)
    explained = 5 * (f - 1) / (5 * f + ROWS - 6)  # epsilon squared by the F statistic
    assert measure == "correlation_ratio"
    assert value == pytest.approx(np.sqrt(explained), rel=1e-12)


def test_cramers_v_is_that_of_scipy_but_for_its_bias() -> None:
    groups = RANDOM.integers(0, 4, ROWS)
    classes = np.where(RANDOM.random(ROWS) < 0.5, groups % 3, RANDOM.integers(0, 3, ROWS))
    target = known(pd.Series([f"c{one}" for one in classes]), "text")
    measure, value = related([f"g{one}" for one in groups], "text", target)
    assert measure == "cramers_v"
    table = pd.crosstab(groups, classes)
    assert value == pytest.approx(stats.contingency.association(table, "cramer"), abs=0.01)
    assert related([f"c{one}" for one in classes], "text", target)[1] == pytest.approx(1, abs=1e-3)
    unrelated = [related(RANDOM.integers(0, 100, ROWS).astype(str), "text", target)[1] for _ in range(20)]
    assert np.median(np.array(unrelated, float)) < 0.06, "0.22 by scipy"


def test_names_of_rows_tell_nothing() -> None:
    names = [f"k{one}" for one in range(ROWS)]
    for target in (RANDOM.normal(size=ROWS), RANDOM.integers(0, 3, ROWS).astype(float)):
        assert related(names, "text", known(pd.Series(target), "number"))[1] is None


def test_ranges_hold_all_rows_and_say_their_ends() -> None:
    y = pd.Series(RANDOM.random(ROWS) < 0.5)
    target = known(y, "boolean")
    assert target is not None
    values = pd.Series(np.where(np.arange(ROWS) % 10 == 0, np.nan, np.arange(ROWS)))
    groups = relation(values, "number", target, lambda value: f"{value:g}").groups
    assert [one.rows for one in groups] == [180] * 10 + [200]
    assert [groups[place].label for place in (0, 9, 10)] == ["1 to 199", "1801 to 1999", "missing"]
    assert groups[-1].mean == pytest.approx(y[::10].mean())
    assert sum(one.rows * one.mean for one in groups) / ROWS == pytest.approx(y.mean())
