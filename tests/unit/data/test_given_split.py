"""Splits by groups and by the parts of a data set; weights; and that older fingerprints stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlpipes_cli.config.experiment import Data
from mlpipes_cli.config.yaml_source import parse_yaml
from mlpipes_cli.data.prepare import prepare
from mlpipes_cli.data.prepared import Prepared
from mlpipes_cli.data.prepared_cache import open_store, save
from mlpipes_cli.data.rows import hash_rows, read_hashes, read_id_hashes, write_hashes
from mlpipes_cli.errors import ConfigError
from mlpipes_cli.ports.data_sets.datasets import SPLIT

SOURCE = parse_yaml("experiment: x\ndata:\n  source: a\n  target: y\n  weights: w\n", "e.yaml")
ROWS = 1000


def frame() -> pd.DataFrame:
    random = np.random.default_rng(3)
    number = np.arange(ROWS)
    return pd.DataFrame(
        {
            "a": random.normal(size=ROWS),
            "customer": [f"c{n}" for n in random.integers(0, 90, ROWS)],
            "w": 0.5 + number % 3,
            "y": number % 2,
        }
    )


def prepared(rows: pd.DataFrame, source: str = "rows.csv", **data: Any) -> Prepared:
    return prepare(rows, Data.model_validate({"source": source, "target": "y", **data}), SOURCE)


def test_the_fingerprint_of_an_experiment_without_groups_is_what_it_was() -> None:
    found = prepared(frame())
    assert found.fingerprint == ("4e86e2643ad237c9002a64420bc1f1bc1abe099affea45aa16b7a94706563c8e")
    assert found.holdout_fingerprint == ("db87efa35748201b685f6ed2f82898522bd7d39279725f5d443d6d74f0dfb3ae")


def test_groups_stay_together_and_are_no_feature() -> None:
    found = prepared(frame(), split={"group": "customer", "seed": 1})
    names = found.frame["customer"].to_numpy()
    assert not set(names[found.train]) & set(names[found.holdout])
    assert found.feature_names == ("a", "w")
    assert len(found.holdout) == pytest.approx(0.2 * ROWS, abs=ROWS / 90)
    groups = found.groups(np.arange(ROWS))
    assert groups is not None
    assert pd.Series(groups).groupby(names).nunique().eq(1).all()
    other = prepared(frame(), split={"group": "customer", "seed": 2})
    assert set(names[other.holdout]) != set(names[found.holdout])


def test_the_same_groups_are_held_out_in_any_order_of_the_rows() -> None:
    rows = frame()
    one, other = (prepared(some, split={"group": "customer"}) for some in (rows, rows.iloc[::-1]))
    assert set(one.frame["customer"].iloc[one.holdout]) == set(other.frame["customer"].iloc[other.holdout])
    assert one.holdout_fingerprint == other.holdout_fingerprint


@pytest.mark.parametrize("numbers", [False, True])
def test_rows_without_a_group_are_one_group(numbers: bool) -> None:
    rows = frame()
    if numbers:
        rows["customer"] = pd.factorize(rows["customer"])[0].astype(float)
    rows.loc[::20, "customer"] = None
    found = prepared(rows, split={"group": "customer"})
    groups = found.groups(np.arange(ROWS))
    assert groups is not None
    without = np.zeros(ROWS, dtype=bool)
    without[::20] = True
    assert len(set(groups[without])) == 1
    assert not set(groups[without]) & set(groups[~without])
    assert found.frame["customer"].iloc[found.holdout].isna().sum() in {0, ROWS / 20}
    assert "50 rows without a value of 'customer' stay together, as one group" in found.warnings


def test_one_group_cannot_be_split() -> None:
    with pytest.raises(ConfigError, match="'customer' has only one value; groups need two"):
        prepared(frame().assign(customer="c"), split={"group": "customer"})


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([0.0], "is not a number above 0 in 1 of 1000 rows, such as row 4 (0)"),
        ([-1.0], "is not a number above 0 in 1 of 1000 rows, such as row 4 (-1)"),
        ([np.nan], "is not a number above 0 in 1 of 1000 rows, such as row 4 (missing)"),
        (["x"], "does not hold numbers, as weights have to be"),
    ],
)
def test_weights_are_numbers_above_0(values: list[Any], told: str) -> None:
    rows = frame().astype({"w": object})
    rows.loc[3, "w"] = values[0]
    with pytest.raises(ConfigError) as caught:
        prepared(rows, weights="w")
    assert caught.value.lines() == [f"e.yaml:5: data -> weights: 'w' {told}"]


def test_weights_are_no_feature_and_kept_with_the_rows(tmp_path: Path) -> None:
    found = prepared(frame(), weights="w", split={"group": "customer"})
    save(found, tmp_path / "kept")
    again = open_store(tmp_path / "kept")
    for one in (found, again):
        assert one.feature_names == ("a",)
        weights = one.weights(one.train)
        assert weights is not None
        assert weights.tolist() == (0.5 + one.train % 3).tolist()
        assert np.array_equal(one.groups(one.train), found.groups(found.train))
    assert found.fingerprint != prepared(frame(), split={"group": "customer"}).fingerprint


def test_the_parts_of_a_data_set_are_taken_as_they_are(tmp_path: Path) -> None:
    parts = np.array(["train", "train", "test", "validation", "train"] * (ROWS // 5))
    found = prepared(frame().assign(**{SPLIT: parts}), "dataset:loans@3")
    save(found, tmp_path / "kept")
    for one in (found, open_store(tmp_path / "kept")):
        for name, rows in (("train", one.train), ("validation", one.validation), ("test", one.holdout)):
            assert rows.tolist() == np.flatnonzero(parts == name).tolist()
        assert one.seen.tolist() == np.flatnonzero(parts != "test").tolist()
        assert SPLIT not in one.frame
    other = prepared(
        frame().assign(**{SPLIT: np.where(parts == "validation", "train", parts)}), "dataset:loans@3"
    )
    assert other.fingerprint != found.fingerprint
    assert other.holdout_fingerprint == found.holdout_fingerprint


def test_a_version_without_test_rows() -> None:
    with pytest.raises(ConfigError) as caught:
        prepared(frame().assign(**{SPLIT: "train"}), "dataset:loans@3")
    assert caught.value.lines() == [
        "e.yaml:3: data -> source: loans@3 has no test rows; prepare another version"
    ]


def test_hashes_of_rows_with_and_without_those_of_their_ids(tmp_path: Path) -> None:
    rows = frame()
    hashes = hash_rows(rows, ["a", "y"])
    write_hashes(tmp_path / "plain", hashes, ["a", "y"])
    write_hashes(tmp_path / "with", hashes, ["a", "y"], rows["customer"])
    for name in ("plain", "with"):
        found, columns = read_hashes(tmp_path / name)
        assert np.array_equal(found, hashes)
        assert columns == ("a", "y")
    assert read_id_hashes(tmp_path / "plain", "customer") is None
    assert read_id_hashes(tmp_path / "with", "number") is None
    ids = read_id_hashes(tmp_path / "with", "customer")
    assert ids is not None
    assert len(set(ids.tolist())) == rows["customer"].nunique()
