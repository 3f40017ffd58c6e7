"""From training rows to arrays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from contracts.trainer_contract import training_of

from mlpipes_cli.trainers.base import TrainingError
from mlpipes_cli.trainers.networks.rows import NetworkRows, rows
from mlpipes_cli.trainers.networks.settings import Settings, settings


def made(task: str = "binary", **how: Any) -> NetworkRows:
    return rows(training_of(task, {}), Settings(**how))


def test_nothing_is_held_back_unless_something_is_watched() -> None:
    assert len(made().held) == 0
    assert len(made(patience=3).held) == 57
    assert len(made(own={"reduce_on_plateau": True}).held) == 57
    assert len(made(validation_split=0.25).held) == 142


def test_rows_are_held_back_of_each_class_and_the_same_each_time() -> None:
    found, again = made(patience=1), made(patience=1)
    assert np.array_equal(found.held, again.held)
    assert sorted([*found.kept, *found.held]) == list(range(569))
    assert found.target[found.held].mean() == pytest.approx(found.target.mean(), abs=0.01)
    tiny = training_of("binary", {})
    tiny = replace(tiny, X=tiny.X.head(25), y=tiny.y.head(25))
    assert len(rows(tiny, Settings(validation_split=0.04)).held) == 1  # fewer than classes


def test_of_rows_in_time_the_last_are_held_back() -> None:
    training = training_of("binary", {})
    day = np.random.default_rng(0).permutation(569).astype(float)
    training = replace(training, X=training.X.assign(day=day), order_by="day")
    found = rows(training, Settings(patience=1))
    assert set(day[found.held]) == set(range(569 - 57, 569))


def test_a_quantity_is_scaled_by_the_rows_that_are_kept() -> None:
    found = made("regression", validation_split=0.5)
    assert found.target[found.kept].mean() == pytest.approx(0.0, abs=1e-6)
    assert found.target[found.kept].std() == pytest.approx(1.0, abs=1e-6)
    y = training_of("regression", {}).y.to_numpy()
    assert found.target * found.deviation + found.mean == pytest.approx(y, abs=1e-3)
    training = training_of("regression", {})
    still = rows(replace(training, y=training.y * 0.0 + 3.0), Settings())
    assert (still.mean, still.deviation, set(still.target)) == (3.0, 1.0, {0.0})


def test_balanced_weights_give_each_class_the_same_sum() -> None:
    found = made(class_weight="balanced")
    assert found.weights is not None
    sums = [found.weights[found.target == code].sum() for code in (0, 1)]
    assert sums == pytest.approx([569 / 2, 569 / 2], rel=1e-5)


def test_the_same_arrays_are_made_of_raw_rows_later() -> None:
    training = training_of("multiclass", {})
    found = rows(training, Settings())
    later = found.reader.parts(training.X[training.X.columns[::-1]])["table"]
    assert later.dtype == np.float32
    assert np.array_equal(later, found.parts["table"])
    with pytest.raises(ValueError, match="missing columns: 'alcohol'"):
        found.reader.parts(training.X.drop(columns="alcohol"))


def test_numbers_of_any_type_do_without_preprocessing() -> None:
    training = training_of("binary", {}, preprocess="none")
    X = pd.DataFrame({"flag": np.arange(569) % 2 == 0, "count": pd.array(np.arange(569), dtype="Int64")})
    found = rows(replace(training, X=X), Settings())
    assert np.array_equal(found.parts["table"][:2], [[1.0, 0.0], [0.0, 1.0]])
    day = X.assign(day=pd.Timestamp("2026-01-01"))
    with pytest.raises(TrainingError, match="'day' has the type datetime64"):
        rows(replace(training, X=day), Settings())


def test_settings_unfold_what_a_search_chose() -> None:
    found = settings({"module": {"a": 1}, "module__b": 2, "image__height": 8, "epochs": 3}, ("module",))
    assert (found.own, found.image, found.epochs) == ({"module": {"a": 1, "b": 2}}, {"height": 8}, 3)
    with pytest.raises(TrainingError, match="no 'function__b'"):
        settings({"function__b": 2}, ("module",))
