"""`data diff`: rows and distributions of two versions, against pandas and SciPy."""

from __future__ import annotations

import random
from collections.abc import Callable

import dataset_help
import numpy as np
import pandas as pd
import pytest
from conftest import Result, RunningStack
from scipy import stats

pytestmark = pytest.mark.slow
TYPES = {"ID": "integer", "v": "number", "n": "integer", "kind": "text"}


@pytest.fixture(scope="module")
def frames(url: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    draw = random.Random(5)
    old = [(n, draw.choice([None, draw.gauss(0, 1)]), n % 7, draw.choice("aab")) for n in range(1, 501)]
    new = [
        (n, None if v is None else v * 2 + 0.5, k if n % 10 else k + 1, "c" if n % 50 == 0 else kind)
        for n, v, k, kind in old[20:]
    ] + [(n, 0.0, 1, None) for n in range(501, 531)]
    names = list(TYPES)
    return pd.DataFrame(old, columns=names), pd.DataFrame(new, columns=names)


def test_by_key(
    url: str,
    running_stack: RunningStack,
    prepare: Callable[..., Result],
    frames: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    for frame in frames:
        rows = frame.astype(object).where(frame.notna(), None).values.tolist()
        dataset_help.load(url, "moved", TYPES, rows)
        prepare("moved", "key: ID").ok()
    found = running_stack.cli("data", "diff", "moved", "1", "2", "--json").ok().json
    old, new = (frame.set_index("ID") for frame in frames)
    both = old.index.intersection(new.index)
    split = [
        dataset_help.frame(url, f"select * from clean_data._moved_{n}").set_index("ID").loc[both, "_split"]
        for n in (1, 2)
    ]
    differs = {
        name: (
            (old.loc[both, name] != new.loc[both, name])
            & ~(old.loc[both, name].isna() & new.loc[both, name].isna())
        )
        for name in ("v", "n", "kind")
    } | {"_split": split[0] != split[1]}
    assert found["rows"]["by"] == "key"
    assert (found["rows"]["added"], found["rows"]["removed"]) == (30, 20)
    assert found["rows"]["columns"] == {name: int(one.sum()) for name, one in differs.items() if one.any()}
    assert found["rows"]["changed"] == int(np.logical_or.reduce(list(differs.values())).sum())
    moves = {one["column"]: one for one in found["columns"]}
    for name in ("v", "n", "ID"):
        a, b = (frame[name].dropna() for frame in frames)
        assert moves[name]["measure"] == "ks"
        assert moves[name]["distance"] == pytest.approx(stats.ks_2samp(a, b).statistic, abs=1e-12)
        assert moves[name]["new"]["mean"] == pytest.approx(b.mean(), abs=1e-12)
        assert moves[name]["old"]["sd"] == pytest.approx(a.std(), rel=1e-12)
        assert moves[name]["new"]["quantiles"] == pytest.approx(
            b.quantile([0, 0.25, 0.5, 0.75, 1]).tolist(), abs=1e-12
        )
    assert moves["v"]["old"]["missing"] == pytest.approx(frames[0]["v"].isna().mean())
    a, b = (frame["kind"].value_counts(normalize=True) for frame in frames)
    assert moves["kind"]["distance"] == pytest.approx(a.sub(b, fill_value=0).abs().sum() / 2)
    assert list(moves["kind"]["new"]["top"].values()) == pytest.approx(
        (frames[1]["kind"].value_counts() / len(frames[1])).tolist()
    )
    shown = running_stack.cli("data", "diff", "moved", "1", "2").ok().out
    assert "rows, compared by their key: 30 added, 20 removed, " in shown
    same = running_stack.cli("data", "diff", "moved", "2", "2", "--json").ok().json
    assert (
        same["rows"]["added"],
        same["rows"]["changed"],
        max(one["distance"] for one in same["columns"]),
    ) == (0, 0, 0)


def test_by_content_and_other_columns(
    url: str, running_stack: RunningStack, prepare: Callable[..., Result]
) -> None:
    rows = [(n, 1.0, n % 3, "x") for n in range(100)]
    dataset_help.load(url, "content", TYPES, rows)
    prepare("content", "clean: [{drop: n}]\nsplit: {by: ID}").ok()
    dataset_help.load(url, "content", TYPES, [*rows[:90], *rows[:20]])
    prepare("content", "clean: [{drop: v}]\nsplit: {by: ID}").ok()
    found = running_stack.cli("data", "diff", "content", "1", "2", "--json").ok().json
    assert (found["added_columns"], found["removed_columns"]) == (["n"], ["v"])
    rows_ = found["rows"]
    parts = [
        dataset_help.frame(url, f'select "ID", kind, _split from clean_data._content_{n}') for n in (1, 2)
    ]
    whole = [frame[["ID", "kind"]].value_counts() for frame in parts]
    grown = whole[1].sub(whole[0], fill_value=0)
    each = parts[1].value_counts().sub(parts[0].value_counts(), fill_value=0)
    added, removed = grown[grown > 0].sum(), -grown[grown < 0].sum()
    moved = each[each > 0].sum() - added  # such a row is one more in a part and one less in another
    assert (added, removed, moved) == (20, 10, 12)  # the rows from 68 to 79 are test rows now
    assert (rows_["by"], rows_["added"], rows_["removed"], rows_["changed"]) == ("content", 20, 10, 12)
    assert rows_["columns"] == {"_split": 12}
    shown = running_stack.cli("data", "diff", "content", "1", "2").ok().out
    assert "rows, compared by their content: 20 added, 10 removed, 12 in another part" in shown


def test_numbers_near_the_limits_of_double_precision(
    url: str, running_stack: RunningStack, prepare: Callable[..., Result]
) -> None:
    values = [-1.7e308, 1.7e308, 1.2e308, 1.6e308, None, 1e-300]
    rows = [(n, v, n, "x") for n, v in enumerate(values)]
    dataset_help.load(url, "large", TYPES, rows)
    prepare("large", "").ok()
    dataset_help.load(url, "large", TYPES, [*rows, (6, float("inf"), 6, "x"), (7, float("nan"), 7, "x")])
    prepare("large", "").ok()
    found = running_stack.cli("data", "diff", "large", "1", "2", "--json").ok().json
    (moved,) = [one for one in found["columns"] if one["column"] == "v"]
    smaller = pd.Series([v / 2**4 for v in values if v is not None])
    quantiles = (smaller.quantile([0, 0.25, 0.5, 0.75, 1]) * 2**4).tolist()
    for one in (moved["old"], moved["new"]):
        assert one["mean"] == pytest.approx(smaller.mean() * 2**4, rel=1e-12)
        assert one["sd"] == pytest.approx((smaller / 2**600).std() * 2**600 * 2**4, rel=1e-12)
        assert one["quantiles"] == pytest.approx(quantiles, rel=1e-12)
    document = running_stack.cli("data", "profile", "--json", "--output", "large.html").ok().json
    (shown,) = [one for one in document["columns"] if one["column"] == "v"]
    assert shown["mean"] == pytest.approx(smaller.mean() * 2**4, rel=1e-12)
    assert shown["quantiles"] == pytest.approx(quantiles[1:4], rel=1e-12)


def test_versions_that_do_not_exist(running_stack: RunningStack, prepare: Callable[..., Result]) -> None:
    done = running_stack.cli("data", "diff", "moved", "1", "9")
    assert (done.code, done.err.strip()) == (2, "error: 'moved' has no version 9; there are 1, 2")
    done = running_stack.cli("data", "diff", "move", "1", "2")
    assert (done.code, done.err.strip()) == (
        2,
        "error: the data set 'move' has no versions; did you mean 'moved'?",
    )
    done = running_stack.cli("data", "versions", "move")
    assert done.code == 2
