"""The report from real comparisons: what it says, that names and values stay text, and its size."""

from __future__ import annotations

import dataclasses
import html
import json
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlpipes_cli.html_page import document
from mlpipes_cli.monitoring.compare import compare
from mlpipes_cli.monitoring.report.page import COMMAND, page
from mlpipes_cli.monitoring.results import Options

ATTACK = "<script>alert(1)</script>"


class Seen(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def table(rows: int, seed: int, *, changed: bool = False) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    made = pd.DataFrame(
        {
            "income": random.lognormal(8, 0.5, rows) * (2 if changed else 1),
            "age": random.integers(18, 80, rows).astype(float),
            ATTACK: random.choice([ATTACK, "b"], rows),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(random.integers(0, 400, rows), unit="D"),
        }
    )
    if changed:
        made.loc[: rows // 3, "age"] = np.nan
    return made


def document_of(day: int = 28, *, changed: bool = False, **more: Any) -> dict[str, Any]:
    found = dataclasses.asdict(compare(table(2000, 1), table(1000, day, changed=changed), Options(seed=1)))
    told = {
        "model": "loans", "version": 3, "window": {"first": None, "last": None}, "notes": [],
        "checked_at": f"2026-11-{day:02}T06:00:00+00:00", "predictions": {}, "performance": None,
    }  # fmt: skip
    return json.loads(json.dumps(found | told | more))


def performance(live: float, *, worse: bool) -> dict[str, Any]:
    metric = {"metric": "ks", "live": live, "interval": [live - 0.05, live + 0.05], "holdout": 0.6,
              "p": 0.2, "worse": worse, "note": ""}  # fmt: skip
    few = metric | {"live": None, "interval": None, "p": None, "note": "too few rows"}
    return {
        "task": "binary", "metric": "ks", "predictions": 1000, "with_truth": 400, "ids": 380, "alarm": worse,
        "metrics": {"roc_auc": metric | {"metric": "roc_auc"}, "ks": metric}, "decay": None,
        "estimates": {"ks": {"metric": "ks", "value": 0.55, "interval": [0.5, 0.6], "rows": 1000,
                             "method": "CBPE"}},
        "segments": [{"column": "town", "value": ATTACK, "rows": 7, "check": few}],
        "verdict": "ks as on the holdout",
    }  # fmt: skip


@pytest.fixture(scope="module")
def changed() -> dict[str, Any]:
    return document_of(changed=True)


def test_the_verdict_comes_first_and_columns_follow_by_effect(changed: dict[str, Any]) -> None:
    text = page(changed)
    assert changed["alarm"]
    at = [
        text.index(words) for words in (html.escape(changed["verdict"]), "Data quality", "Inputs, by effect")
    ]
    assert at == sorted(at)
    cards = re.findall(r'<article class="card (\w+)" id="c\d+"><h3><bdi>([^<]*)<', text)
    assert [(state, name) for state, name in cards[:2]] == [
        ("alarm", column["name"]) for column in changed["columns"][:2]
    ]
    assert {name for state, name in cards if state == "alarm"} == {"income", "age"}
    assert "missing 0 % -&gt; 33.4 %" in text
    assert document.mark(COMMAND) in text[:2000]


def test_names_and_values_stay_text(changed: dict[str, Any]) -> None:
    told = changed | {"model": ATTACK, "notes": [ATTACK], "performance": performance(0.6, worse=False)}
    text = page(
        told, previous=[told], promotions=[{"at": "2026-11-28T00:00:00Z", "version": 1, "alias": ATTACK}]
    )
    seen = Seen(text)
    assert "script" not in seen.tags
    assert all(address.startswith(("#c", "data:,")) for address in seen.addresses)
    assert "".join(seen.words).count(ATTACK) >= 5


def test_a_picture_shows_both_distributions(changed: dict[str, Any]) -> None:
    income = next(one for one in changed["columns"] if one["name"] == "income")
    reference, current = income["shape"]["reference"], income["shape"]["current"]
    text = page(changed)
    card = text[text.index("<bdi>income") :]
    area, line = re.findall(r'd="(M[^"]*)"', card)[:2]
    most = max(*reference, *current)
    for path, shares in ((area, reference), (line, current)):
        tops = [float(one) for one in re.findall(r"V([\d.]+)h", path)]
        assert tops == pytest.approx([90 - 88 * share / most for share in shares], abs=0.051)


def test_performance_and_its_history() -> None:
    checks = [
        document_of(day, performance=performance(live, worse=live < 0.4))
        for day, live in ((1, 0.6), (2, 0.58), (3, 0.3))
    ]
    text = page(
        checks[2],
        previous=checks[:2],
        promotions=[
            {"at": "2026-11-02T00:00:00Z", "version": 3, "alias": "production"},
            {"at": "2026-10-01T00:00:00Z", "version": 2, "alias": "production"},
        ],
        retrainings=[{"at": "2026-11-01T18:00:00Z", "cause": "performance", "outcome": "promoted"}],
    )
    words = " ".join(Seen(text).words)
    assert "400 of 1,000 predictions have a ground truth; 380 caller ids" in words
    assert "0.2500 to 0.3500" in words
    assert "Estimated from scores, without ground truth" in words and "too few rows" in words
    chart = text[text.index("Live ks") :]
    heights = [float(one) for one in re.findall(r'cy="([\d.]+)"', chart)]
    assert heights[0] < heights[1] < heights[2], "a lower metric lies lower"
    assert chart.count('<path class="mark"') == 2, (
        "a promotion and a retraining lie in the time that is shown"
    )
    assert "retraining (performance): promoted, 2026-11-01 18:00" in words
    assert chart.count('<circle class="alarm"') == 1
    assert "version 3 took production, 2026-11-02 00:00" in words


def test_every_window_of_a_scheduled_check_and_promotions_that_only_the_checks_show() -> None:
    window = {"until": None, "alpha": 0.01, "verdict": "", "rows": 300}
    windows = [
        window | {"periods": 1, "since": "2026-11-27T06:00:00+00:00", "alarm": True, "enough": True,
                  "columns": [ATTACK, "income"]},
        window | {"periods": 7, "since": "2026-11-21T06:00:00+00:00", "alarm": False, "enough": True,
                  "columns": []},
        window | {"periods": 28, "since": "2026-10-31T06:00:00+00:00", "alarm": False, "enough": False,
                  "columns": []},
    ]  # fmt: skip
    shown = {"since": windows[0]["since"], "first": None, "last": None}
    newest = document_of(28, windows=windows, window=shown, alias="production", version=4)
    earlier = [document_of(day, alias="production", version=3) for day in (26, 27)]
    other = document_of(25, alias="staging", version=4)
    text = page(newest, previous=[*earlier, other])
    assert "<script" not in text
    words = " ".join(Seen(text).words)
    part = words[words.index("times the set window") : words.index("Data quality")]
    assert "1 times, shown below 2026-11-27 06:00 UTC 300 ALARM" in part and part.count("shown below") == 1
    assert "7 times 2026-11-21 06:00 UTC 300 no alarm" in part
    assert "28 times 2026-10-31 06:00 UTC 300 too few rows" in part
    assert "version 4 took production, 2026-11-28 06:00" in words and "took staging" not in words


def test_too_few_rows_and_two_files() -> None:
    found = dataclasses.asdict(compare(table(2000, 1), table(20, 2), Options()))
    told = {
        "model": None, "version": None, "notes": [], "predictions": {}, "performance": None,
        "window": {"first": None, "last": None, "file": "new/b.csv", "reference": "a.csv"},
        "checked_at": "2026-11-28T06:00:00+00:00",
    }  # fmt: skip
    text = page(json.loads(json.dumps(found | told)))
    assert "<h1>b.csv compared with a.csv</h1>" in text
    assert 'class="verdict unknown"' in text and "too few rows" in text


def test_of_very_many_columns_those_that_changed_most_are_shown() -> None:
    document = document_of()
    one = document["columns"][0]
    document["columns"] = [{**one, "name": f"c{n}", "alarm": n < 400} for n in range(10_000)]
    text = page(document)
    assert len(text) < 1_000_000
    words = " ".join(Seen(text).words)
    assert "9,700 more columns, of which 100 changed, are not shown" in words
    assert "c299" in words and "c300 " not in words


def test_a_hundred_columns_stay_below_a_megabyte() -> None:
    random = np.random.default_rng(0)
    names = [f"a_long_name_of_a_column_{number}" for number in range(100)]
    sides = [pd.DataFrame(random.normal(size=(rows, 100)), columns=names) for rows in (2000, 1000)]
    found = dataclasses.asdict(compare(sides[0], sides[1], Options()))
    about = {"model": "wide", "version": 1, "window": {}, "notes": [], "predictions": {}, "performance": None}
    told = json.loads(json.dumps(found | about | {"checked_at": "2026-11-28T06:00:00+00:00"}))
    text = page(told, previous=[told] * 365)
    assert text.count("<article") == 100
    assert len(text.encode()) < 1_000_000
