"""Roles, kinds of target, the split, fingerprints, the store."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlpipes_cli.config.experiment import Data
from mlpipes_cli.config.yaml_source import parse_yaml
from mlpipes_cli.data.prepare import prepare
from mlpipes_cli.data.prepared import Prepared
from mlpipes_cli.data.prepared_cache import open_store, save
from mlpipes_cli.errors import ConfigError, MlpipesError

TEXT = """experiment: x
data:
  source: data.csv
  target: y
  positive: 1
  split:
    by: t
  drop:
    - a
    - b
"""


def prepared(frame: pd.DataFrame, **data: Any) -> Prepared:
    given = {"source": "data.csv", "target": "y", **data}
    return prepare(frame, Data.model_validate(given), parse_yaml(TEXT, "e.yaml"))


def refused(frame: pd.DataFrame, **data: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        prepared(frame, **data)
    lines = caught.value.lines()
    assert len(lines) == 1
    return lines[0]


def frame(rows: int = 100, target: Any = None) -> pd.DataFrame:
    number = np.arange(rows)
    y = number % 4 == 0 if target is None else target
    return pd.DataFrame({"a": number * 1.5, "b": [f"k{n % 7}" for n in number], "y": y})


# --- kinds of target ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "task", "classes"),
    [
        ([0, 1] * 10, "binary", (0, 1)),
        ([0.0, 1.0] * 10, "binary", (0, 1)),
        ([True, False] * 10, "binary", (False, True)),
        (["no", "yes"] * 10, "binary", ("no", "yes")),
        ([5, 7, 9, 7] * 5, "multiclass", (5, 7, 9)),
        (["b", "a", "c", "a"] * 5, "multiclass", ("a", "b", "c")),
        ([0.5, 1.5] * 10, "regression", ()),
        (list(range(40)), "regression", ()),
    ],
)
def test_task_and_labels(values: list[Any], task: str, classes: tuple[Any, ...]) -> None:
    found = prepared(frame(len(values), values))
    assert (found.task, found.classes) == (task, classes)
    assert [type(label) for label in found.classes] == [type(label) for label in classes]
    if task == "binary":
        assert found.positive == classes[1]


def test_task_may_be_said() -> None:
    values = list(range(10)) * 3
    assert prepared(frame(30, values)).task == "multiclass"
    assert prepared(frame(30, values), task="regression").task == "regression"
    assert prepared(frame(30, list(range(15)) * 2)).warnings[0].startswith("'y' is treated as 15 classes")


@pytest.mark.parametrize(("positive", "classes"), [(0, (1, 0)), ("1", (0, 1)), (None, (0, 1))])
def test_positive_comes_last(positive: Any, classes: tuple[int, int]) -> None:
    assert prepared(frame(20, [0, 1] * 10), positive=positive).classes == classes


@pytest.mark.parametrize(
    ("values", "data", "said"),
    [
        ([1] * 20, {}, "e.yaml:4: data -> target: 'y' is 1 in every row"),
        ([None, *[0, 1] * 10], {}, "e.yaml:4: data -> target: 'y' is missing in 1 of 21 rows"),
        ([np.inf, *np.arange(30.5)], {}, "'y' is infinite in 1 of"),
        (pd.date_range("2024-01-01", periods=20), {}, "'y' contains dates"),
        ([1, 2, 3, 4] * 5, {"task": "binary"}, "'y' has 4 different values"),
        (["a", "b"] * 10, {"task": "regression"}, "'y' contains strings"),
        ([0.5, 1.5] * 10, {"task": "binary"}, "'y' contains fractions such as 0.5"),
        ([f"id{n}" for n in range(300)], {}, "'y' has 300 different values in 300 rows"),
        ([0, 1] * 10, {"positive": 3}, "e.yaml:5: data -> positive: no row has the label 3"),
        (["no", "yes"] * 10, {"positive": "yess"}, "did you mean 'yes'?"),
        (["no", "yes"] * 10, {"positive": True}, "put it in quotes"),
        ([1, 2, 3, 4] * 5, {"positive": 1}, "needs a binary target; this one has 4 classes"),
        (np.arange(30.5), {"positive": 1}, "needs a binary target; this one is numeric"),
        (["a", "b"] * 10 + ["c"], {}, "the class 'c' of 'y' has only one row"),
    ],
)
def test_targets_that_do_not_work(values: Any, data: dict[str, Any], said: str) -> None:
    assert said in refused(frame(len(values), values), **data)


@pytest.mark.parametrize(
    ("split", "said"),
    [
        ({"by": "a"}, "the latest rows by 'a' form the holdout: choose another `test` share or remove `by`"),
        ({"stratify": False}, "use `stratify: true`, another `test` share, or another `seed`"),
    ],
)
def test_a_class_in_one_part_only_is_told_with_what_can_help(split: dict[str, Any], said: str) -> None:
    given = pd.DataFrame({"a": np.arange(40.0), "b": 1.0, "y": ["no"] * 20 + ["yes"] * 20})
    if "by" not in split:
        given["y"] = ["no"] * 39 + ["yes"]
    refusal = refused(given, split={"test": 0.5, **split})
    assert refusal.endswith(said)
    assert ("seed" in refusal) == ("by" not in split)


# --- roles -------------------------------------------------------------------------------------


def test_roles() -> None:
    given = frame().assign(ID=np.arange(100) + 2**60, t=0)
    found = prepared(given, id="ID", drop=["t"])
    assert found.feature_names == ("a", "b")
    assert list(found.X(found.holdout).columns) == ["a", "b"]
    assert found.y(found.train).dtype == bool
    assert found.ids(found.holdout).tolist() == (found.holdout + 2**60).tolist()
    assert prepared(frame()).ids(np.array([3, 5])).tolist() == [3, 5]


def test_all_missing_columns_are_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        prepared(frame(), target="Y", id="aa", drop=["zzz"], split={"by": "t"})
    assert caught.value.lines() == [
        "e.yaml:4: data -> target: no column 'Y' in the data; did you mean 'y'?",
        "e.yaml:2: data -> id: no column 'aa' in the data; did you mean 'a'?",
        "e.yaml:9: data -> drop -> 0: no column 'zzz' in the data; it has a, b, y",
        "e.yaml:7: data -> split -> by: no column 't' in the data; it has a, b, y",
    ]


def test_frames_that_cannot_be_used() -> None:
    assert "no feature columns are left" in refused(frame(), drop=["a", "b"])
    assert "the same in every row" in refused(frame().assign(a=1, b=None))
    assert "only 9 rows" in refused(frame(9, [0, 1, 0] * 3))
    twice = frame()
    twice.columns = pd.Index(["a", "a", "y"])
    assert "duplicate column names: 'a'" in refused(twice)
    assert "'y' is the target" in refused(frame(), split={"by": "y"})


@pytest.mark.parametrize("gap", [None, np.nan])
def test_rows_without_a_target_may_be_left_out(gap: Any) -> None:
    given = frame(101, [gap, *[0, 1] * 50]).assign(ID=np.arange(101))
    said = refused(given)
    assert said == (
        "e.yaml:4: data -> target: 'y' is missing in 1 of 101 rows; remove or fill those rows, "
        "or set `drop_missing_target: true` to leave them out"
    )
    found = prepared(given, drop_missing_target=True, id="ID")
    assert found.warnings[0] == "1 of 101 rows have no 'y' and were left out"
    assert found.frame["ID"].tolist() == list(range(1, 101))
    assert found.frame["y"].tolist() == [0, 1] * 50
    assert sorted([*found.train, *found.holdout]) == list(range(100))
    assert "is missing in 20 of 20 rows" in refused(frame(20, [gap] * 20), drop_missing_target=True)


def test_warnings_name_what_is_odd() -> None:
    odd = frame(40).assign(a=[1.0] * 30 + [2.0] * 10, b="k", ID=[1, 1, *range(38)])
    odd = odd.assign(**{"Unnamed: 0": 5})
    said = " | ".join(prepared(odd, id="ID").warnings)
    assert "holdout rows also occur in the training rows" in said
    assert "'Unnamed: 0' has no name" in said
    assert "the id 'ID' is repeated in 2 rows" in said


# --- the split ---------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(2, 60), min_size=2, max_size=5),
    test=st.floats(0.05, 0.9),
    seed=st.integers(0, 2**32 - 1),
)
def test_stratified(sizes: list[int], test: float, seed: int) -> None:
    labels = np.repeat([f"c{n}" for n in range(len(sizes))], sizes)
    if len(labels) < 10:
        return
    found = prepared(frame(len(labels), labels), split={"test": test, "seed": seed})
    both = np.concatenate([found.train, found.holdout])
    assert sorted(both.tolist()) == list(range(len(labels)))
    assert found.train.dtype == found.holdout.dtype == np.int64
    assert (np.diff(found.holdout) > 0).all() if len(found.holdout) > 1 else True
    for number, size in enumerate(sizes):
        held = (found.y(found.holdout) == f"c{number}").sum()
        assert 1 <= held <= size - 1
        assert abs(held - size * test) <= 1


def test_seed_decides_and_never_changes() -> None:
    one = prepared(frame(), split={"seed": 1})
    assert (one.holdout == prepared(frame(), split={"seed": 1}).holdout).all()
    assert (one.holdout != prepared(frame(), split={"seed": 2}).holdout).any()
    assert prepared(frame(20, np.arange(20) + 0.5), split={"test": 0.25}).holdout.tolist() == [
        3,
        4,
        5,
        14,
        18,
    ]


def test_by_time_takes_the_latest() -> None:
    days = pd.date_range("2024-01-01", periods=100).strftime("%Y-%m-%d").to_list()
    days[50], days[51] = "", "soon"
    order = np.random.default_rng(0).permutation(100)
    found = prepared(frame().assign(t=days).iloc[order], split={"by": "t", "test": 0.1})
    assert sorted(order[found.holdout].tolist()) == list(range(90, 100))
    assert "'t' is missing or unreadable in 2 rows" in found.warnings[0]
    assert "t" in found.feature_names
    assert "t" not in prepared(frame().assign(t=days), split={"by": "t"}, drop=["t"]).feature_names


def test_by_time_ties_keep_the_order_of_the_source() -> None:
    tied = frame().assign(t=[1] * 50 + [2] * 50)
    assert prepared(tied, split={"by": "t", "test": 0.2}).holdout.tolist() == list(range(80, 100))


def test_splits_that_cannot_be_made() -> None:
    late = frame(100, [0] * 90 + [1] * 10)
    assert "no training row has the class 1" in refused(late, split={"by": "a", "test": 0.3})
    early = frame(100, [1] * 10 + [0] * 90)
    assert "every holdout row has the class 0" in refused(early, split={"by": "a", "test": 0.3})
    assert "e.yaml:7: data -> split -> by: 'b' contains neither" in refused(frame(), split={"by": "b"})
    assert "only one value" in refused(frame().assign(t=1), split={"by": "t"})


# --- fingerprints and the store ----------------------------------------------------------------


def test_fingerprints_see_what_matters() -> None:
    base = prepared(frame())
    assert prepared(frame().astype({"b": object})).fingerprint == base.fingerprint
    changed = frame()
    changed.loc[base.train[0], "a"] = -1
    other = prepared(changed)
    assert other.fingerprint != base.fingerprint
    assert other.holdout_fingerprint == base.holdout_fingerprint
    changed.loc[base.holdout[0], "a"] = -1
    assert prepared(changed).holdout_fingerprint != base.holdout_fingerprint
    assert prepared(frame(), split={"seed": 9}).fingerprint != base.fingerprint
    assert prepared(frame(), drop=["a"]).fingerprint != base.fingerprint


def test_fingerprint_is_the_same_in_another_process() -> None:
    code = (
        "import numpy as np, pandas as pd\n"
        "from mlpipes_cli.config.experiment import Data\n"
        "from mlpipes_cli.config.yaml_source import parse_yaml\n"
        "from mlpipes_cli.data.prepare import prepare\n"
        "n = np.arange(100)\n"
        "f = pd.DataFrame({'a': n * 1.5, 'b': [f'k{k % 7}' for k in n], 'y': n % 4 == 0})\n"
        "d = Data(source='other.csv', target='y')\n"
        "print(prepare(f, d, parse_yaml('a: 1', 'e.yaml')).fingerprint)\n"
    )
    environment = os.environ | {"PYTHONHASHSEED": "123"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.strip() == prepared(frame()).fingerprint


def test_store_gives_back_everything(tmp_path: Path) -> None:
    rich = frame().assign(
        flag=[True, None] * 50,
        when=pd.date_range("2024-01-01", periods=100),
        gap=None,
        ID=np.arange(100) + 2**60,
    )
    rich.loc[3, "b"] = None
    mine = prepared(rich, id="ID")
    save(mine, tmp_path / "cache" / mine.fingerprint)
    back = open_store(tmp_path / "cache" / mine.fingerprint)
    pd.testing.assert_frame_equal(back.frame, mine.frame)
    for name in (
        "task",
        "classes",
        "positive",
        "feature_names",
        "target_name",
        "id_name",
        "fingerprint",
        "warnings",
    ):
        assert getattr(back, name) == getattr(mine, name)
    assert back.holdout_fingerprint == mine.holdout_fingerprint
    assert (back.train == mine.train).all()
    assert (back.holdout == mine.holdout).all()
    assert back.train.dtype == np.int64
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [mine.fingerprint]


def test_store_repairs_what_is_half_there(tmp_path: Path) -> None:
    mine, folder = prepared(frame()), tmp_path / "x"
    folder.mkdir()
    (folder / "frame.parquet").write_bytes(b"half")
    with pytest.raises(MlpipesError, match="cannot be read"):
        open_store(folder)
    save(mine, folder)
    assert open_store(folder).fingerprint == mine.fingerprint
    (folder / "frame.parquet").write_bytes(b"half")
    with pytest.raises(MlpipesError, match="cannot be read"):
        open_store(folder)


def test_store_says_why_it_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MlpipesError, match="cannot keep the prepared data"):
        save(prepared(frame()), tmp_path / "file" / "x")
