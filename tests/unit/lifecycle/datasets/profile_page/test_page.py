from __future__ import annotations

import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest

from mlpipes_cli.lifecycle.datasets.profile import MARK, Profile
from mlpipes_cli.lifecycle.datasets.profile_page import pictures
from mlpipes_cli.lifecycle.datasets.profile_page.page import page
from mlpipes_cli.lifecycle.datasets.profile_page.text import marked, number, plain, share
from mlpipes_cli.ports.data_sets.dataset_profile import (
    ColumnProfile,
    Histogram,
    Relation,
    TargetGroup,
    TargetProfile,
    TopValue,
)

ATTACKS = ["<script>x</script>", '"><img src=x onerror=x>', "</style><b>", "'><svg onload=x>", "&lt;i&gt;"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("<b>&\"'", "&lt;b&gt;&amp;&quot;&#x27;"),
        ("\x1b[31m\x00", "\\x1b[31m\\x00"),
        ("a\u202eb\ud800", "a\\u202eb\\ud800"),
        ("é日本 ", "é日本 "),
        ("x" * 61, "x" * 59 + "…"),
    ],
)
def test_a_value_is_text(value: str, shown: str) -> None:
    assert plain(value) == shown


def test_numbers_and_shares() -> None:
    assert [number(value) for value in (1234567, 0.000123456, 12.0, 1e300, -0.5, 145290.6, 99999.4)] == [
        "1,234,567", "0.00012346", "12", "1e+300", "-0.5", "145,291", "99999",
    ]  # fmt: skip
    assert [share(part, 10_000) for part in (0, 1, 10, 3333, 9999, 10_000)] == [
        "0 %", "< 0.1 %", "0.1 %", "33.3 %", "> 99.9 %", "100 %",
    ]  # fmt: skip
    assert share(0, 0) == "0 %"
    assert marked("list it under `drop` <b>") == "list it under <code>drop</code> &lt;b&gt;"


def test_a_histogram_is_as_high_as_its_rows() -> None:
    drawn = ET.fromstring(pictures.histogram([10, 0, 5, 1000, 1], "four of &lt;b&gt;"))
    assert drawn.attrib["aria-label"] == "four of <b>"
    columns = drawn[0].attrib["d"].split("M")[1:]
    heights = [float(one.split("v-")[1].split("h")[0]) for one in columns]
    starts = [float(one.split(" ")[0]) for one in columns]
    assert heights == [1.0, 1.0, 60.0, 1.0], "the smallest can be seen"
    assert starts == [0, 96, 144, 192], "the empty bin stays empty"


@pytest.mark.parametrize(
    ("part", "low", "x", "width"),
    [(0.25, 0, "0.0", "25.0"), (0.2, 0.5, "20.0", "30.0"), (7, 0, "0.0", "100.0")],
)
def test_a_bar(part: float, low: float, x: str, width: str) -> None:
    drawn = ET.fromstring(pictures.bar(part, low))[0].attrib
    assert (drawn["x"], drawn["width"]) == (x, width)


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.names: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)
        self.names |= {name for name, _ in attrs}


def profiled(text: str) -> str:
    column = ColumnProfile(
        text, "number", "key", 1, 2, min=0.5, max=1.5, quantiles=[0.5, 1, 1.5],
        histogram=Histogram([0, 1, 2], [3, 4]), top=[TopValue(text, 5)],
        relation=Relation("roc_auc", 0.75, [TargetGroup(text, 8, 0.5)]), hints=[f"see {text}"],
    )  # fmt: skip
    target = TargetProfile(text, "binary", text, 0.5, 8, sampled=False)
    return page(Profile("d", 1, 8, 0, target, 2, {"train": 6, "test": 2}, [column], "p.html"), MARK)


@pytest.mark.parametrize("text", ATTACKS)
def test_foreign_text_adds_no_element(text: str) -> None:
    plain_tags, tags = Tags(), Tags()
    plain_tags.feed(profiled("harmless"))
    tags.feed(profiled(text))
    assert tags.found == plain_tags.found
    assert tags.names == plain_tags.names
    assert "script" not in tags.found


def test_the_policy_forbids_scripts_and_requests() -> None:
    made = profiled("x")
    assert MARK in made[:2000]
    assert "default-src 'none'" in made
    assert "8 rows, 1 column: 1 column needs attention." in made
