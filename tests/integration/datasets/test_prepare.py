"""`data prepare`: each step's values and each split, against the same done by pandas."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dataset_help
import numpy as np
import pandas as pd
import pytest
from conftest import Result, RunningStack

from mlpipes_cli.data.prepared import group_codes

pytestmark = pytest.mark.slow
Prepare = Callable[..., Result]
Clean = Callable[[str], pd.DataFrame]
TYPES = {
    "ID": "integer", "age": "integer", "income": "number", "kind": "text", "amount": "text", "day": "date",
    "repaid": "boolean", "customer": "text",
}  # fmt: skip


def rows(number: int = 1000, seed: int = 1) -> list[tuple[Any, ...]]:
    draw = random.Random(seed)
    return [
        (
            n,
            draw.choice([None, *range(18, 80)]),
            draw.choice([None, *(draw.lognormvariate(10, 1) for _ in range(4))]),
            draw.choice(["a", "b", "b", None]),
            str(draw.randint(1, 1000)),
            f"2024-{draw.randint(1, 12):02}-{draw.randint(1, 28):02}",
            draw.random() < 0.3,
            f"c{int(draw.expovariate(0.02))}",
        )
        for n in range(1, number + 1)
    ]


ROWS = rows()


@pytest.fixture(scope="module", autouse=True)
def raw(url: str) -> pd.DataFrame:
    dataset_help.load(url, "loans", TYPES, ROWS)
    return pd.DataFrame(ROWS, columns=list(TYPES))


def by_id(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.set_index("ID").sort_index()


def shares(frame: pd.DataFrame) -> dict[str, int]:
    return dict(frame["_split"].value_counts())


def test_steps_that_learn_nothing(raw: pd.DataFrame, prepare: Prepare, clean: Clean) -> None:
    done = prepare(
        "loans",
        """
clean:
  - {rename: {kind: sort}}
  - {cast: {amount: integer, day: datetime, repaid: integer, ID: text}}
  - {cast: {ID: integer, age: number}}
  - {where: "age > 20 or age is null -- young"}
  - {derive: {ratio: amount / income, big: "amount > 500", "odd name": "coalesce(sort, 'x') || '}{%s'"}}
  - {fill: {sort: {constant: median}, income: 0}}
  - {clip: {amount: {min: 10, max: 900}, ratio: {max: 0.5}}}
  - {drop: [customer]}
""",
    ).ok()
    found = by_id(clean("loans"))
    want = raw.rename(columns={"kind": "sort"}).assign(
        amount=raw["amount"].astype("int64"),
        repaid=raw["repaid"].astype("int64"),
        day=pd.to_datetime(raw["day"]),
    )
    want = want[~(want["age"] <= 20)].drop(columns="customer")
    ratio = want["amount"] / want["income"]
    want = want.assign(
        ratio=ratio.clip(upper=0.5), big=want["amount"] > 500, amount=want["amount"].clip(10, 900),
        **{"odd name": want["sort"].fillna("x") + "}{%s"},
    )  # fmt: skip
    want["sort"], want["income"] = want["sort"].fillna("median"), want["income"].fillna(0.0)
    want = by_id(want)
    assert [*found.columns] == [*want.columns, "_split"]
    for name in want.columns:
        pd.testing.assert_series_equal(found[name], want[name], check_dtype=False, check_names=False)
    assert shares(found) == done.json["splits"]
    assert done.json["rows"] == len(want)


def test_what_is_learned_is_learned_on_training_rows(
    raw: pd.DataFrame, prepare: Prepare, clean: Clean, running_stack: RunningStack
) -> None:
    steps = """
key: ID
clean:
  - {where: "age > 25 or age is null"}
  - {fill: {age: median, income: mean, kind: most_frequent}}
  - {clip: {income: {quantiles: [0.05, 0.9]}}}
split: {validation: 0.1, test: 0.2, seed: 3}
"""
    prepare("loans", steps).ok()
    found = by_id(clean("loans"))
    kept = by_id(raw[~(raw["age"] <= 25)])
    train = kept[found.loc[kept.index, "_split"] == "train"]
    median, mean, mode = train["age"].median(), train["income"].mean(), train["kind"].mode()[0]
    assert median != kept["age"].median() or mean != kept["income"].mean()
    filled = train["income"].fillna(mean)
    low, high = filled.quantile(0.05), filled.quantile(0.9)
    assert np.allclose(found["age"], kept["age"].fillna(median), rtol=0)
    assert np.allclose(found["income"], kept["income"].fillna(mean).clip(low, high), rtol=1e-12)
    assert found["kind"].tolist() == kept["kind"].fillna(mode).tolist()
    row = running_stack.cli("data", "versions", "loans", "--json").ok().json[0]
    first, second = row["learned"]["steps"]
    assert first["fill"] == {"age": median, "income": pytest.approx(mean, rel=1e-12), "kind": mode}
    assert second["clip"]["income"] == pytest.approx([low, high], rel=1e-12)
    assert row["columns"]["age"] == "number"


def test_a_query_and_a_function_see_one_part_at_a_time(
    raw: pd.DataFrame, prepare: Prepare, clean: Clean, running_stack: RunningStack
) -> None:
    (running_stack.root / "my_steps.py").write_text(
        "def center(frame):\n"
        "    frame = frame[frame['age'] < 70]\n"
        "    return frame.assign(shifted=frame['income'] - frame['income'].mean(), n=len(frame))\n"
    )
    (running_stack.root / "more.sql").write_text(
        "-- with a comment\nwith all_of as (select avg(income) as mean from input)\n"
        "select input.*, income - mean as distance from input, all_of;\n"
    )
    steps = ("{fill: {age: median, income: 1}}", "{sql: more.sql}", "{function: 'my_steps:center'}")
    prepare("loans", f"clean: [{', '.join(steps)}]").ok()
    found = by_id(clean("loans"))
    whole = by_id(raw.assign(income=raw["income"].fillna(1.0))).assign(_split=found["_split"])
    for part, mine in found.groupby("_split"):
        assert mine["n"].unique().tolist() == [len(mine)]
        assert np.allclose(mine["shifted"], mine["income"] - mine["income"].mean())
        assert part in {"train", "test"}
    assert (found["age"] < 70).all()
    assert whole.loc[found.index, "income"].tolist() == found["income"].tolist()


def test_a_function_gets_and_returns_every_type(
    url: str, prepare: Prepare, clean: Clean, running_stack: RunningStack
) -> None:
    types = {
        "i": "integer", "gaps": "integer", "f": "number", "t": "text", "b": "boolean", "c": "boolean",
        "d": "date", "m": "datetime",
    }  # fmt: skip
    odd = ["", "a\tb\\n", "new\nline\r", "\\N", "ü", None]
    given = [
        (2**60 + n, None if n % 3 else 2**53 + 1, None if n == 1 else n / 7, odd[n % 6], n % 2 == 0,
         None if n == 2 else True, f"2024-02-{n + 1:02}",
         None if n == 3 else f"2024-01-01 00:00:{n:02}.000001")
        for n in range(20)
    ]  # fmt: skip
    dataset_help.load(url, "typed", types, given)
    (running_stack.root / "typed_steps.py").write_text(
        "def same(frame):\n"
        "    got = {name: str(kind) for name, kind in frame.dtypes.items()}\n"
        "    want = dict(i='int64', gaps='Int64', f='float64', t='str', b='bool', c='boolean',\n"
        "                d='datetime64[us]', m='datetime64[us]')\n"
        "    assert got == want, got\n"
        "    zoned = frame['m'].dt.tz_localize('Europe/Berlin')\n"
        "    return frame.assign(e=frame['t'].astype('category'), z=zoned)\n"
    )
    prepare("typed", "clean: [{function: 'typed_steps:same'}]").ok()
    before = dataset_help.frame(url, f"select {', '.join(types)} from raw_data.typed order by i")
    after = clean("typed").sort_values("i").reset_index(drop=True)
    pd.testing.assert_frame_equal(after[list(types)], before)
    assert after["e"].where(after["e"].notna(), None).tolist() == before["t"].tolist()
    assert (before["m"] - after["z"]).dropna().unique().tolist() == [pd.Timedelta(hours=1)]
    kinds = dataset_help.query(
        url, "select column_name, data_type from information_schema.columns where table_name = '_typed_1'"
    )
    assert {name: kind for name, kind in kinds if name in {"gaps", "d", "m", "c"}} == {
        "gaps": "bigint", "d": "date", "m": "timestamp without time zone", "c": "boolean",
    }  # fmt: skip


def test_before_the_split_a_query_sees_all_rows(prepare: Prepare, clean: Clean) -> None:
    query = (
        "select customer, count(*) as n, sum(income) as total, max(day) as last from input group by customer"
    )
    done = prepare("loans", f"clean:\n  - sql: {query}\n  - {{fill: {{total: median}}}}\n").ok()
    found = clean("loans")
    want = pd.DataFrame(ROWS, columns=list(TYPES)).groupby("customer")["income"].agg(["size", "sum"])
    assert found.set_index("customer")["n"].to_dict() == want["size"].to_dict()
    assert done.json["rows"] == len(want)
    assert found["total"].notna().all()


def test_the_last_loaded_of_equal_rows_is_kept(url: str, prepare: Prepare, clean: Clean) -> None:
    numbers = [5, 4, 3, 2, 1, *range(6, 21)]
    given = [("a", 1.0, n) if n <= 5 else (f"k{n}", None, 0) for n in numbers]
    dataset_help.load(
        url, "copies", {"k": "text", "v": "number", "n": "integer"}, [*given, ("k6", None, 0)], [*numbers, 21]
    )
    prepare("copies", "clean: [{deduplicate: [k, v]}]").ok()
    found = clean("copies").set_index("k")["n"]
    assert found["a"] == 5
    assert len(found) == 16
    prepare("copies", "clean: [{deduplicate: all}]").ok()
    assert len(clean("copies")) == 20


def test_shares_are_exact_and_equal_rows_stay_together(url: str, prepare: Prepare, clean: Clean) -> None:
    given = [(n % 40 if n < 200 else n, "x") for n in range(997)]
    dataset_help.load(url, "twins", {"v": "integer", "w": "text"}, given)
    split = "split: {validation: 0.1, test: 0.25}"
    done = prepare("twins", split).ok()
    assert done.json["splits"] == {"train": 648, "validation": 100, "test": 249}  # 648.05, 99.7, 249.25
    found = clean("twins")
    assert shares(found) == done.json["splits"]
    assert found.groupby("v")["_split"].nunique().max() == 1
    assert shares(found[found["v"] < 40]).keys() == {"train", "validation", "test"}
    dataset_help.load(url, "twins", {"v": "integer", "w": "text"}, [(n % 2, "x") for n in range(10)])
    done = prepare("twins", split).ok()  # shares come first where equal rows are all there is
    assert done.json["splits"] == {"train": 7, "validation": 1, "test": 2}


def test_strata_have_the_same_shares(raw: pd.DataFrame, prepare: Prepare, clean: Clean) -> None:
    done = prepare("loans", "key: ID\nsplit: {validation: 0.15, test: 0.2, stratify: kind}").ok()
    assert done.json["splits"] == {"train": 650, "validation": 150, "test": 200}
    found = clean("loans")
    counts = found.groupby(found["kind"].fillna("-"))["_split"].value_counts().unstack()
    sizes = raw["kind"].fillna("-").value_counts()
    for kind, size in sizes.items():
        assert abs(counts.loc[kind, "test"] - 0.2 * size) < 1
        assert abs(counts.loc[kind, "validation"] - 0.15 * size) < 1


def test_time_is_in_order_and_ties_stay_together(prepare: Prepare, clean: Clean) -> None:
    done = prepare("loans", "split: {validation: 0.1, test: 0.2, by: day}").ok()
    found = clean("loans")
    days = found.groupby("_split")["day"].agg(["min", "max"])
    assert days.loc["train", "max"] < days.loc["validation", "min"]
    assert days.loc["validation", "max"] < days.loc["test", "min"]
    per_day = found["day"].value_counts().max()
    for part, share in (("train", 700), ("test", 200)):
        assert abs(done.json["splits"][part] - share) <= per_day / 2 + 1


def test_groups_are_in_one_part(prepare: Prepare, clean: Clean) -> None:
    done = prepare("loans", "split: {validation: 0.1, test: 0.2, group: customer}").ok()
    found = clean("loans")
    assert found.groupby("customer")["_split"].nunique().max() == 1
    assert done.json["splits"] == {"train": 700, "validation": 100, "test": 200}


def test_rows_without_a_group_are_one_group_as_in_experiments(prepare: Prepare, clean: Clean) -> None:
    steps = "clean: [{derive: {half: \"nullif(customer, 'c1')\"}}]\n"
    done = prepare("loans", f"{steps}split: {{validation: 0.2, test: 0.2, group: half}}").ok()
    found = clean("loans")
    gaps = int(found["half"].isna().sum())
    assert gaps > 10
    assert f"{gaps} rows without a value of 'half' stay together, as one group" in done.err
    groups = pd.Series(group_codes(found["half"]), index=found.index)
    assert groups[found["half"].isna()].nunique() == 1
    assert found.groupby(groups)["_split"].nunique().max() == 1


def test_the_order_of_the_table_does_not_matter(url: str, prepare: Prepare, clean: Clean) -> None:
    steps = """
clean:
  - {fill: {age: mean, income: mean, kind: most_frequent}}
  - {deduplicate: [ID]}
split: {validation: 0.1, test: 0.2, stratify: kind}
"""
    turned = list(ROWS)
    random.Random(9).shuffle(turned)
    found = []
    for given in (ROWS, turned):
        for key in ("", "key: ID"):
            dataset_help.load(url, "turned", TYPES, given)
            done = prepare("turned", key + steps).ok().json
            found.append((done["fingerprint"], by_id(clean("turned"))))
    assert found[0][0] == found[2][0]
    assert found[1][0] == found[3][0] != found[0][0]
    pd.testing.assert_frame_equal(found[0][1], found[2][1])
    dataset_help.load(url, "turned", TYPES, turned)
    again = prepare("turned", f"key: ID{steps}").ok()  # another load of the same rows: no new version
    assert again.json["fingerprint"] == found[3][0]
    assert "has these rows already" in again.err


def test_the_same_again_is_no_new_version(url: str, prepare: Prepare, running_stack: RunningStack) -> None:
    dataset_help.load(url, "again", TYPES, ROWS)
    first = prepare("again", "clean: [{drop: day}]").ok()
    second = prepare("again", "clean: [{drop: day}]").ok()
    assert second.json == first.json
    assert second.err.strip().splitlines() == [
        "again: checking",
        "version 1 of 'again' has these rows already",
    ]
    assert prepare("again", "clean: [{drop: day}]\nchecks: [{rows: {max: 1}}]").code == 3
    third = prepare("again", "clean: [{drop: [day, age]}]").ok()
    assert third.json["version"] == 2
    listed = running_stack.cli("data", "versions", "again", "--json").ok().json
    assert [(one["version"], one["readable"], one["splits"]) for one in listed] == [
        (2, True, {"train": 800, "test": 200}), (1, True, {"train": 800, "test": 200}),
    ]  # fmt: skip
    old = dataset_help.frame(url, "select * from clean_data._again_1")
    assert [*old.columns] == [*[name for name in TYPES if name != "day"], "_split", "_row"]


def test_old_versions_are_pruned_when_asked(url: str, prepare: Prepare, running_stack: RunningStack) -> None:
    dataset_help.load(url, "pruned", TYPES, ROWS)
    for seed in (1, 2, 3):
        prepare("pruned", f"split: {{seed: {seed}}}").ok()
    refused = running_stack.cli("data", "versions", "pruned", "--prune", "1")
    assert refused.code == 2
    assert (
        "versions 1, 2 of 'pruned', and there is no terminal to ask for confirmation; add --yes"
        in refused.err
    )
    assert running_stack.cli("data", "versions", "pruned", "--prune", "0", "--yes").code == 2
    left = running_stack.cli("data", "versions", "pruned", "--prune", "1", "--yes", "--json").ok().json
    assert [(one["version"], one["readable"]) for one in left] == [(3, True), (2, False), (1, False)]
    tables = dataset_help.query(url, "select tablename from pg_tables where tablename like '\\_pruned\\_%'")
    assert tables == [("_pruned_3",)]
    assert len(dataset_help.frame(url, "select * from clean_data.pruned")) == 1000
    gone = running_stack.cli("data", "diff", "pruned", "1", "3")
    assert (gone.code, gone.err.strip()) == (1, "error: the rows of version 1 of 'pruned' were pruned")
    again = prepare("pruned", "split: {seed: 1}").ok()
    assert again.json["version"] == 4


def test_names_that_need_quotes(url: str, prepare: Prepare, running_stack: RunningStack) -> None:
    names = ["a%b", 'quo"te', "sp ace", "select", "ünï", "{x}", "it's"]
    types = {**dict.fromkeys(names[:4], "number"), **dict.fromkeys(names[4:], "text")}
    given = [
        (n, None if n % 5 == 0 else 1.5, n / 3, 1.0, "ab"[n % 2], f"k{n}", "100%s {}") for n in range(60)
    ]
    dataset_help.load(url, "odd", types, given)
    text = """
key: "{x}"
columns:
  "a%b": {min: 0, missing: 0}
  "ünï": {values: [a, b]}
  "it's": {pattern: "100%s [{][}]"}
checks:
  - {unique: ["{x}", "select"]}
  - {relation: "\\"a%b\\" <= 59 -- {}"}
clean:
  - {where: "\\"a%b\\" < 59 and \\"it's\\" like '100%' -- {}"}
  - {derive: {"b%s": "\\"sp ace\\" * 2"}}
  - {fill: {'quo"te': median}}
  - {clip: {"a%b": {quantiles: [0.1, 0.9]}}}
  - {sql: "select *, '%s{}' as mark from input"}
  - {deduplicate: ["{x}", "it's"]}
  - {rename: {"ünï": "$1", "select": "from"}}
  - {cast: {"$1": text, "from": integer}}
split: {test: 0.25, stratify: "ünï"}
"""
    done = prepare("odd", text).ok()
    assert done.json["splits"] == {"train": 44, "test": 15}
    found = dataset_help.frame(url, "select * from clean_data.odd")
    assert [*found.columns] == [
        "a%b", 'quo"te', "sp ace", "from", "$1", "{x}", "it's", "b%s", "mark", "_split",
    ]  # fmt: skip
    assert found["mark"].unique().tolist() == ["%s{}"]
    assert found['quo"te'].unique().tolist() == [1.5]
    prepare("odd", text.replace("0.25", "0.5")).ok()
    assert running_stack.cli("data", "diff", "odd", "1", "2", "--json").ok().json["rows"]["by"] == "key"


def test_weights_are_checked(prepare: Prepare, clean: Clean) -> None:
    done = prepare("loans", "weights: income")
    assert done.code == 1
    assert "weights: row " in done.err
    assert "has the weight missing; weights are numbers above 0" in done.err
    prepare("loans", "weights: income\nclean: [{fill: {income: 1}}]").ok()
    prepare("loans", "weights: ID").ok()  # whole numbers
    done = prepare("loans", "weights: zero\nclean: [{derive: {zero: '0'}}]")
    assert "has the weight 0; weights are numbers above 0" in done.err


def test_notes_on_shares_that_moved(prepare: Prepare, clean: Clean) -> None:
    done = prepare("loans", "clean:\n  - {fill: {age: median}}\n  - {where: age > 30}\n").ok()
    assert f"changed the number of rows from 1000 to {done.json['rows']}" in done.err
    assert (clean("loans")["age"] > 30).all()


def test_the_python_api(running_stack: RunningStack, prepare: Prepare, tmp_path: Path) -> None:
    import mlpipes_cli

    prepare("loans", "checks: [{rows: {min: 5000}}]")
    project = mlpipes_cli.Project(running_stack.root)
    found = project.data.check()
    assert not found.ok
    with pytest.raises(mlpipes_cli.Refused, match=r"1 of 1 checks of raw_data\.loans failed"):
        project.data.prepare()
    assert project.data.check_history(limit=1)[0].ok is False
    assert project.data.versions("loans")[0].dataset == "loans"
