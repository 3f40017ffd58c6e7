from __future__ import annotations

from html.parser import HTMLParser

import pytest

from mlpipes_cli.html_page import document
from mlpipes_cli.lifecycle.datasets.profile import Profile
from mlpipes_cli.lifecycle.datasets.profile_page.page import COMMAND, page
from mlpipes_cli.ports.data_sets.dataset_profile import (
    ColumnProfile,
    Histogram,
    Relation,
    TargetGroup,
    TargetProfile,
    TopValue,
)

ATTACKS = ["<script>x</script>", '"><img src=x onerror=x>', "</style><b>", "'><svg onload=x>", "&lt;i&gt;"]


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
    return page(Profile("d", 1, 8, 0, target, 2, {"train": 6, "test": 2}, [column], "p.html"))


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
    assert document.mark(COMMAND) in made[:2000]
    assert "default-src 'none'" in made
    assert "8 rows, 1 column: 1 column needs attention." in made
