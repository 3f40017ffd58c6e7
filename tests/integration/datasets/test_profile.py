"""`data profile`: its figures against pandas, SciPy and scikit-learn, and its page in a browser."""

from __future__ import annotations

import datetime
import math
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import browser_help
import dataset_help
import numpy as np
import pandas as pd
import pytest
from conftest import Result, RunningStack
from scipy import stats
from sklearn.metrics import roc_auc_score

pytestmark = pytest.mark.slow
PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "data" / "profile.md"
ATTACK = "<script>alert(1)</script>"
TYPES = {
    "ID": "integer", "Amount": "number", "age": "integer", "town": "text", "ok": "boolean", "day": "date",
    "at": "datetime", "later": "number", "none": "text", "same": "integer", "code": "text", "nearly": "text",
    ATTACK: "text", "approved": "text",
}  # fmt: skip
ROWS = 1000
WIDER = """
return [...document.querySelectorAll("table, dl, h3")].filter(
  one => one.scrollWidth > one.clientWidth + 1 || one.getBoundingClientRect().right > innerWidth
).length
"""


def made() -> pd.DataFrame:
    random = np.random.default_rng(3)
    yes = random.random(ROWS) < 0.3
    base = datetime.datetime(2024, 1, 1)
    return pd.DataFrame(
        {
            "ID": range(1, ROWS + 1),
            "Amount": np.where(random.random(ROWS) < 0.1, np.nan, random.lognormal(8, 1, ROWS) + 2000 * yes),
            "age": random.integers(18, 80, ROWS),
            "town": random.choice(["Ulm", "ulm ", "Bonn", "Köln"], ROWS, p=[0.4, 0.1, 0.3, 0.2]),
            "ok": random.random(ROWS) < np.where(yes, 0.8, 0.4),
            "day": [(base + datetime.timedelta(days=int(n))).date() for n in random.integers(0, 400, ROWS)],
            "at": [base + datetime.timedelta(seconds=int(n)) for n in random.integers(0, 10**7, ROWS)],
            "later": np.where(yes, 10, 0) + random.random(ROWS),
            "none": None,
            "same": 7,
            "code": [f"k{n}" for n in range(ROWS)],
            "nearly": [f"{n}" if n % 50 else "n.b." for n in range(ROWS)],
            ATTACK: random.choice([f"{ATTACK}{n}\x1b[31m\u202e" for n in range(3)], ROWS),
            "approved": np.where(yes, "yes", "no"),
        }
    )


@pytest.fixture(scope="module")
def frame(url: str) -> pd.DataFrame:
    found = made()
    dataset_help.load(url, "loans", TYPES, found.astype(object).where(found.notna(), None).values.tolist())
    return found


@pytest.fixture(scope="module")
def told(running_stack: RunningStack, frame: pd.DataFrame) -> dict[str, Any]:
    assert len(frame) == ROWS
    text = "dataset: loans\nsource: x.csv\nkey: ID\nsplit: {stratify: approved}\n"
    dataset_help.write(running_stack.root, text)
    found = running_stack.cli("data", "profile", "--json").ok().json
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def columns(told: dict[str, Any]) -> dict[str, Any]:
    return {one["column"]: one for one in told["columns"]}


def test_the_table(told: dict[str, Any], frame: pd.DataFrame) -> None:
    assert (told["dataset"], told["rows"], told["repeated"], told["version"]) == ("loans", ROWS, 0, None)
    assert [one["column"] for one in told["columns"]] == list(TYPES)
    assert {one["column"]: one["type"] for one in told["columns"]} == TYPES
    target = told["target"]
    assert (target["task"], target["level"], target["rows"], target["sampled"]) == (
        "binary",
        "yes",
        ROWS,
        False,
    )
    assert target["mean"] == pytest.approx((frame["approved"] == "yes").mean())
    assert told["path"] == "profile.html"


def test_numbers_are_those_of_pandas(columns: dict[str, Any], frame: pd.DataFrame) -> None:
    for name in ("ID", "Amount", "age", "later", "same"):
        one, values = columns[name], frame[name].dropna()
        assert one["missing"] == frame[name].isna().sum()
        assert one["distinct"] == values.nunique()
        assert (one["min"], one["max"]) == (values.min(), values.max())
        assert (one["mean"], one["sd"]) == pytest.approx((values.mean(), values.std()), rel=1e-12)
        assert one["quantiles"] == pytest.approx(values.quantile([0.25, 0.5, 0.75]).tolist(), rel=1e-12)
        histogram = one["histogram"]
        if values.nunique() > 1:
            assert histogram["rows"] == np.histogram(values, histogram["edges"])[0].tolist()
        assert sum(histogram["rows"]) == len(values)
    assert len(columns["Amount"]["histogram"]["rows"]) == 24
    assert columns["age"]["histogram"]["edges"][:3] == [17.5, 20.5, 23.5], (
        "each bin has as many whole numbers"
    )


def test_other_types(columns: dict[str, Any], frame: pd.DataFrame) -> None:
    for name in ("town", "ok", ATTACK, "approved"):
        counts = frame[name].map(lambda value: str(value).lower() if value in (True, False) else value)
        counts = counts.value_counts()
        assert {one["value"]: one["rows"] for one in columns[name]["top"]} == counts.to_dict()
        assert columns[name]["distinct"] == len(counts)
    assert len(columns["code"]["top"]) == 10
    day, at = columns["day"], columns["at"]
    assert (day["min"], day["max"]) == (str(frame["day"].min()), str(frame["day"].max()))
    assert at["max"] == str(frame["at"].max())
    assert day["quantiles"][1] == str(sorted(frame["day"])[ROWS // 2 - 1])
    assert sum(day["histogram"]["rows"]) == sum(at["histogram"]["rows"]) == ROWS
    seconds = (frame["at"] - pd.Timestamp(0)).dt.total_seconds()
    assert at["histogram"]["rows"] == np.histogram(seconds, at["histogram"]["edges"])[0].tolist()
    assert columns["none"]["missing"] == ROWS
    assert columns["none"]["histogram"] is None


def test_the_relation_with_two_classes(columns: dict[str, Any], frame: pd.DataFrame) -> None:
    y = (frame["approved"] == "yes").to_numpy()
    numbers = {
        "Amount": frame["Amount"], "age": frame["age"], "ok": frame["ok"], "later": frame["later"],
        "at": frame["at"].astype("int64"),
    }  # fmt: skip
    for name, values in numbers.items():
        there, found = values.notna().to_numpy(), columns[name]["relation"]
        assert found["measure"] == "roc_auc"
        assert found["value"] == pytest.approx(
            roc_auc_score(y[there], values[there].astype(float)), abs=1e-12
        )
        assert sum(group["rows"] for group in found["groups"]) == ROWS
        mean = sum(group["rows"] * group["mean"] for group in found["groups"]) / ROWS
        assert mean == pytest.approx(y.mean())
    towns = {one["label"]: (one["rows"], one["mean"]) for one in columns["town"]["relation"]["groups"]}
    for town, part in frame.groupby("town"):
        assert towns[town] == pytest.approx((len(part), (part["approved"] == "yes").mean()))
    missing = columns["Amount"]["relation"]["groups"][-1]
    gaps = frame["Amount"].isna()
    assert (missing["label"], missing["rows"], missing["mean"]) == ("missing", gaps.sum(), y[gaps].mean())
    assert columns["code"]["relation"]["value"] is None, "names of rows tell nothing"
    assert columns["approved"]["relation"] is None


def test_hints(columns: dict[str, Any]) -> None:
    assert {name: one["hints"] for name, one in columns.items() if one["hints"]} == {
        "town": ["'Ulm' and 'ulm ' differ only in case or space and count as different"],
        "later": ["alone tells 'approved' (ROC AUC 1); if it is only known afterwards, list it under `drop`"],
        "none": ["no value in any row"],
        "same": ["the same value in every row"],
        "code": ["another value in every row; a column that names the rows belongs in `id` or `drop`"],
        "nearly": [
            "text because of 20 of 1000 values, such as 'n.b.'; the others are numbers: list such words under"
            " `missing`"
        ],
    }
    assert columns["ID"]["role"] == "key"
    assert columns["approved"]["role"] == "target"


def test_a_numeric_target_and_several_classes(
    running_stack: RunningStack, told: dict[str, Any], frame: pd.DataFrame
) -> None:
    assert told
    found = (
        running_stack.cli("data", "profile", "--json", "--target", "age", "--output", "other.html").ok().json
    )
    columns = {one["column"]: one["relation"] for one in found["columns"]}
    there = frame["Amount"].notna()
    want = stats.spearmanr(frame["Amount"][there], frame["age"][there]).statistic
    assert (found["target"]["task"], found["target"]["level"]) == ("regression", None)
    assert columns["Amount"]["value"] == pytest.approx(want, abs=1e-12)
    assert columns["town"]["value"] < 0.1
    found = (
        running_stack.cli("data", "profile", "--json", "--target", "town", "--output", "other.html").ok().json
    )
    columns = {one["column"]: one["relation"] for one in found["columns"]}
    assert (found["target"]["task"], found["target"]["level"]) == ("multiclass", "Ulm")
    assert columns["approved"]["measure"] == "cramers_v"
    assert columns["age"]["measure"] == "correlation_ratio"
    refused = running_stack.cli("data", "profile", "--target", "aproved")
    assert (refused.code, "has no column 'aproved'; did you mean 'approved'?" in refused.err) == (2, True)
    refused = running_stack.cli("data", "profile", "--target", "day")
    assert (refused.code, "'day' contains dates, which cannot be a target" in refused.err) == (2, True)


def test_only_its_own_page_is_replaced(running_stack: RunningStack, told: dict[str, Any]) -> None:
    path = running_stack.root / "notes.html"
    path.write_text("mine")
    refused = running_stack.cli("data", "profile", "--output", "notes.html")
    assert (refused.code, path.read_text()) == (2, "mine")
    assert "is not a page of `mlpipes data profile`" in refused.err
    done = running_stack.cli("data", "profile", "--output", "notes.html", "--force").ok()
    assert "wrote notes.html" in done.out
    assert "\x1b" not in done.out + done.err + path.read_text()
    running_stack.cli("data", "profile", "--output", "notes.html").ok()
    assert running_stack.cli("data", "profile", "--output", "no/where.html").code == 2
    refused = running_stack.cli("data", "profile", "--output", "/dev/null", "--force")
    assert (refused.code, Path("/dev/null").is_char_device()) == (2, True)
    assert not list(running_stack.root.glob(".*.new"))


def test_many_rows_are_counted_and_a_sample_is_related(running_stack: RunningStack, url: str) -> None:
    dataset_help.load(url, "many", {"n": "integer", "y": "boolean"}, [])
    insert = (
        "insert into raw_data.many select i, i % 3 = 0 or i > 90000, 1, i from generate_series(1, 120000) i"
    )
    dataset_help.query(url, insert)
    dataset_help.write(running_stack.root, "dataset: many\nsource: x.csv\n", "many.yaml")
    command = ("data", "profile", "many.yaml", "--json", "--target", "y", "--output", "many.html")
    told, again = (running_stack.cli(*command).ok().json for _ in range(2))
    number = told["columns"][0]
    assert (told["rows"], sum(number["histogram"]["rows"]), number["quantiles"][1]) == (
        120_000,
        120_000,
        60_000.5,
    )
    assert told["target"]["sampled"]
    assert told["target"]["rows"] == pytest.approx(50_000, rel=0.02)
    assert told["target"]["mean"] == pytest.approx(0.5, abs=0.01)
    n = np.arange(1, 120_001)
    area = roc_auc_score((n % 3 == 0) | (n > 90_000), n)
    assert number["relation"]["value"] == pytest.approx(area, abs=0.01)
    assert told == again, "the same rows each time"
    page = (running_stack.root / "many.html").read_text()
    assert f"a sample of {told['target']['rows']:,} rows" in page


def test_the_guide(
    running_stack: RunningStack,
    prepare: Callable[..., Result],
    told: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    version = prepare("loans", "key: ID\nsplit: {test: 0.25, stratify: approved}").ok().json
    blocks = dict(re.findall(r"^```(bash|python)\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S))
    for line in blocks["bash"].splitlines():
        running_stack.cli(*shlex.split(line)[1:]).ok()
    page = (running_stack.root / "loans.html").read_text(encoding="utf-8")
    for part, rows in version["splits"].items():
        assert f"<dt>{part} rows of version {version['version']}</dt><dd>{rows:,}</dd>" in page
    for name, value in running_stack.cli.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(running_stack.root)
    names: dict[str, Any] = {}
    exec(blocks["python"], names)
    frame = names["found"].frame().set_index("column")
    assert frame.loc["later", ["measure", "relation"]].tolist() == ["roc_auc", 1.0]
    assert frame["missing"].to_dict() == {one["column"]: one["missing"] for one in told["columns"]}


def test_odd_numbers_and_no_rows(running_stack: RunningStack, url: str) -> None:
    types = {"v": "number", "big": "integer", "huge": "number", "end": "datetime", "y": "boolean"}
    values = [math.inf, -math.inf, math.nan, 1.0, 1.5, 0.0] * 2
    ends = ["infinity" if n == 3 else "2024-01-02" for n in range(12)]
    rows = [
        (value, 2**62 + n, value if abs(value) < 2 else 1e308 * (-1) ** n, ends[n], n % 2 == 0)
        for n, value in enumerate(values)
    ]
    dataset_help.load(url, "odd", types, [*rows, rows[0]])
    dataset_help.write(running_stack.root, "dataset: odd\nsource: x.csv\n", "odd.yaml")
    found = running_stack.cli(
        "data", "profile", "odd.yaml", "--json", "--target", "y", "--output", "odd.html"
    )
    told = found.ok().json
    columns = {one["column"]: one for one in told["columns"]}
    assert (told["repeated"], told["rows"], told["target"]["level"]) == (1, 13, "true")
    assert (columns["v"]["not_finite"], columns["v"]["mean"], columns["v"]["max"]) == (7, 5 / 6, 1.5)
    assert "infinite or not a number in 7 rows" in columns["v"]["hints"]
    assert columns["huge"]["mean"] == pytest.approx(3 / 13 * 1e308)  # the sum is beyond double precision
    signs = [0.0 if abs(value) < 2 else (-1.0) ** n for n, value in enumerate(values)] + [1.0]
    assert columns["huge"]["sd"] == pytest.approx(np.std(signs, ddof=1) * 1e308)
    assert sum(columns["big"]["histogram"]["rows"]) == 13
    assert (columns["end"]["not_finite"], columns["end"]["max"]) == (1, "2024-01-02 00:00:00")
    odd = ("data", "profile", "odd.yaml", "--json", "--output", "odd.html")
    told = running_stack.cli(*odd, "--target", "huge").ok().json
    assert (told["target"]["task"], told["target"]["rows"]) == ("regression", 6)
    dataset_help.load(url, "odd", types, [])
    told = running_stack.cli(*odd).ok().json
    assert (told["rows"], [one["distinct"] for one in told["columns"]]) == (0, [0] * 5)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser_help.Page]:
    with browser_help.browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


def test_100_columns_on_a_phone_and_a_desktop(
    running_stack: RunningStack, url: str, told: dict[str, Any], page: browser_help.Page
) -> None:
    assert told
    random = np.random.default_rng(1)
    long = [f"{'<&>' * 30}{n}" for n in range(50)]
    types = {f"{'a_long_name_of_a_column_' * 2}{n}": "number" if n % 2 else "text" for n in range(99)}
    wide = pd.DataFrame(
        {
            name: random.normal(size=500) if kind == "number" else random.choice(long, 500)
            for name, kind in types.items()
        }
    )
    wide["y"] = random.random(500) < 0.4
    dataset_help.load(url, "wide", types | {"y": "boolean"}, wide.astype(object).values.tolist())
    dataset_help.write(running_stack.root, "dataset: wide\nsource: x.csv\n", "wide.yaml")
    running_stack.cli("data", "profile", "wide.yaml", "--target", "y", "--output", "wide.html").ok()
    assert (running_stack.root / "wide.html").stat().st_size < 2_000_000
    for name, count in (("profile.html", len(TYPES)), ("wide.html", 100)):
        looked_at(page, running_stack.root / name, count)
    assert page.one("h1").text == "Profile of wide"


BROKEN = """
return [...document.querySelectorAll("td:not(.picture)")].filter(one => {
  const text = document.createRange();
  text.selectNodeContents(one);
  return text.getClientRects().length > 1;
}).length
"""


def looked_at(page: browser_help.Page, path: Path, columns: int) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"https?://|<script|\son\w+=|url\(", text), "nothing to load, and nothing that runs"
    for width, dark in ((390, False), (1280, True)):
        page.size(width, 900, dark=dark)
        page.driver.get(path.as_uri())
        assert page.overflow() <= 0
        assert len(page.all("article")) == columns
        page.script("for (const one of document.querySelectorAll('details')) one.open = true")
        assert page.overflow() <= 0
        assert page.script(WIDER) == 0
        assert page.script(BROKEN) == 0, "a number stands in one line"
        assert page.script("return performance.getEntriesByType('resource').length") == 0
        for picture in page.all("svg.histogram")[:3]:
            assert picture.size["height"] >= 40
            assert "from" in (picture.get_attribute("aria-label") or "")
        dim = page.script("return getComputedStyle(document.body).backgroundColor")
        assert (dim == "rgb(15, 20, 24)") is dark
    assert page.problems() == []


def test_what_needs_attention_comes_first(
    told: dict[str, Any], running_stack: RunningStack, page: browser_help.Page
) -> None:
    hints = [
        "later",
        *(one["column"] for one in told["columns"] if one["hints"] and one["column"] != "later"),
    ]
    page.size(1280, 900)
    page.driver.get((running_stack.root / "profile.html").as_uri())
    names = page.texts("article h3 bdi")
    assert names[: len(hints)] == hints
    assert set(names) == set(TYPES)
    assert ATTACK in names, "shown as text"
    assert page.text(".verdict") == (
        "1,000 rows, 14 columns: 6 columns need attention, of which 1 alone tells the target."
    )
    assert page.texts(".attention li")[0] == (
        "later: alone tells 'approved' (ROC AUC 1); if it is only known afterwards, list it under drop"
    )
    assert page.texts(".facts dd")[:2] == ["1,000", "14"]
