"""Comparing two tables: what alarms, what does not, and what is said of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mlpipes_cli.errors import UsageError
from mlpipes_cli.monitoring.compare import compare
from mlpipes_cli.monitoring.results import ColumnCheck, Comparison, Options


def rows(number: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    first = rng.normal(size=number)
    return pd.DataFrame(
        {
            "income": np.exp(8 + first),
            "age": rng.integers(18, 80, number),
            "debt": 0.8 * first + 0.6 * rng.normal(size=number),
            "paid": np.where(rng.random(number) < 0.6, 0.0, rng.exponential(size=number)),
            "town": rng.choice(["a", "b", "c"], number, p=[0.5, 0.3, 0.2]),
            "owner": rng.random(number) < 0.3,
        }
    )


def column(comparison: Comparison, name: str) -> ColumnCheck:
    return next(check for check in comparison.columns if check.name == name)


def test_unchanged_rows_do_not_alarm_and_the_verdict_says_what_would_have_been_seen() -> None:
    found = compare(rows(2000, 1), rows(1000, 2), Options())
    assert not found.alarm and found.enough
    assert found.verdict.startswith("no change found; a ")
    assert found.verdict.endswith(" would have been seen")
    assert all(check.p is not None and check.p > 0.05 for check in found.columns)


def test_changed_columns_alarm_and_come_first() -> None:
    current = rows(1000, 2).assign(income=lambda frame: frame.income * 1000, town="d").drop(columns="debt")
    found = compare(rows(2000, 1), current, Options())
    assert [check.name for check in found.columns if check.alarm] == [c.name for c in found.columns[:3]]
    assert {check.name for check in found.columns[:3]} == {"income", "town", "debt"}
    assert found.verdict.startswith("3 of 6 columns changed: ")
    assert column(found, "debt").quality[0].fault == "absent"
    assert {finding.fault for finding in column(found, "town").quality} == {"unseen", "constant"}


def test_a_flipped_correlation_alarms_though_no_column_changed() -> None:
    current = rows(1000, 2)
    current["debt"] = current["debt"].to_numpy()[::-1]
    found = compare(rows(2000, 1), current, Options())
    assert found.joint is not None and found.joint.alarm
    assert not any(check.alarm for check in found.columns)
    assert set(found.joint.columns) == {"income", "debt"}
    assert found.verdict.startswith("no single column changed, but how columns go together did: ")
    assert compare(rows(2000, 1), current, Options(joint=False)).joint is None


def test_too_few_rows_state_nothing() -> None:
    found = compare(rows(2000, 1), rows(49, 2).assign(town="d"), Options())
    assert not found.enough and not found.alarm
    assert found.verdict.startswith("too few rows for a statement: 49 current rows")
    assert all(check.p is None and check.effect is None for check in found.columns)
    assert column(found, "town").quality  # faults of the data are stated all the same


def test_the_same_seed_gives_the_same_result() -> None:
    first, second = (compare(rows(700, 1), rows(300, 2), Options(seed=5)) for _ in range(2))
    assert first == second


def test_duplicate_names_are_an_error_and_other_names_become_texts() -> None:
    frame = pd.DataFrame(np.zeros((60, 2)), columns=["a", "a"])
    with pytest.raises(UsageError, match="the reference: duplicate column names: 'a'"):
        compare(frame, frame, Options())
    numbered = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 2)))
    assert {check.name for check in compare(numbered, numbered, Options()).columns} == {"0", "1"}
