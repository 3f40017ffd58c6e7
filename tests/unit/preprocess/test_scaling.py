"""Numbers in standard deviations or in their own unit, whatever single cells hold."""

from __future__ import annotations

import numpy as np
import pytest

from mlpipes_cli.preprocess.scaling import Bounded, Scaler, Unscaled

DRAW = np.random.default_rng(0)
PLAIN = {
    "normal": DRAW.normal(5, 2, 400),
    "a long tail": np.exp(DRAW.normal(0, 2, 400)),
    "a longer one": np.exp(DRAW.normal(0, 2, 400)) * np.where(DRAW.random(400) < 0.5, -1, 1),
    "flags": (DRAW.random(400) < 0.02) * 1.0,
    "counts, mostly none": DRAW.poisson(0.05, 400) * 1.0,
    "two populations": np.where(DRAW.random(400) < 0.2, 5000, 3) + DRAW.normal(size=400),
    "constant": np.full(400, 7.0),
    "gaps": np.where(DRAW.random(400) < 0.3, np.nan, DRAW.normal(size=400)),
    "nothing": np.full(400, np.nan),
}


@pytest.mark.parametrize("name", PLAIN)
def test_columns_without_far_off_cells_are_scaled_as_ever(name: str) -> None:
    values = PLAIN[name].reshape(-1, 1)
    new, old = Bounded().fit(values), Scaler().fit(values)
    beyond = np.array([[1e12], [-1e12], [np.nan], [3.0]])
    for rows in (values, beyond):
        assert new.transform(rows).tobytes() == old.transform(rows).tobytes()


@pytest.mark.parametrize("name", ["normal", "a long tail", "counts, mostly none", "gaps"])
@pytest.mark.parametrize("far", [[1e12], [-1e12], [1e12, -1e12], [1e300, 1e12, 1e9], [1e6] * 60])
def test_a_few_far_off_cells_or_many_of_one_value_change_little(name: str, far: list[float]) -> None:
    values = PLAIN[name].reshape(-1, 1)
    far = far[:10] if name.startswith("counts") else far  # more would be more than what is counted
    present = np.flatnonzero(~np.isnan(values[:, 0]))
    wrong = values.copy()
    wrong[present[: len(far)], 0] = far
    kept = present[len(far) :]
    with_it = Bounded().fit(wrong)
    clean = Scaler().fit(values).transform(values)[kept]
    found = with_it.transform(wrong)
    assert np.abs(found).max() < 60  # no cell is so far off that it decides a fit
    assert np.corrcoef(found[kept, 0], clean[:, 0])[0, 1] > 0.99
    assert found[kept].std() > clean.std() / (3 if len(far) < 10 else 8)


def test_cells_beyond_count_as_the_bound_when_they_are_asked_for_too() -> None:
    values = np.arange(101.0).reshape(-1, 1)
    values[7] = 1e12
    scaler = Bounded().fit(values)
    assert scaler.high[0] == 51 + 5 * 50  # five times the distance of the quartiles from the median
    asked = scaler.transform(np.array([[301.0], [302.0], [1e30], [-1e30]]))
    assert asked[0] == asked[1] == asked[2]
    assert asked[3] == -1e6  # below nothing was far off, and nothing is bounded


def test_what_is_not_scaled_stays_as_it_is() -> None:
    values = np.column_stack([PLAIN["a long tail"], PLAIN["gaps"], PLAIN["nothing"]])
    values[3, 0] = 1e12
    scaler = Unscaled().fit(values)
    found = scaler.transform(values)
    assert np.array_equal(found[:, 0], values[:, 0])
    gaps = np.isnan(values[:, 1])
    assert np.array_equal(found[~gaps, 1], values[~gaps, 1])
    assert (found[gaps, 1] == np.nanmedian(values[:, 1])).all()
    assert (found[:, 2] == 0).all()


def test_times_are_told_apart_on_float32_even_beside_a_far_off_cell() -> None:
    seconds = 1.7e9 + np.arange(300.0)
    seconds[5] = 1e15
    found = Unscaled().fit(seconds.reshape(-1, 1)).transform(seconds.reshape(-1, 1))[:, 0]
    assert len(np.unique(found.astype(np.float32))) == 300
    assert np.array_equal(np.argsort(found), np.argsort(seconds))
    assert np.isfinite(
        Unscaled().fit(np.array([[1e200], [1e201]])).transform(np.array([[-1e300]])).astype("f4")
    ).all()
