"""The wording of what users read, and of names: docs/style.md and docs/glossary.md against the package."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "mlpipes_cli"
WORDS = runpy.run_path(str(ROOT / "scripts" / "words.py"))
mistakes, old_words = WORDS["mistakes"], WORDS["old_words"]


def test_no_text_and_no_name_of_the_package_is_worded_in_an_old_way() -> None:
    assert list(WORDS["complaints"]()) == []


@pytest.mark.parametrize("name", ["_wish", "GathererThread", "the_holdings", "nobody", "_told", "place"])
def test_an_old_word_is_found_within_a_name(name: str) -> None:
    assert old_words(name)
    assert not old_words("wishlist") and not old_words("signature") and not old_words("replaced")


def test_a_name_of_a_contract_is_kept_where_the_contract_is() -> None:
    assert old_words("fault", "monitoring/results.py") == []
    assert old_words("fault", "monitoring/page.py") == ["fault"]


def test_the_page_has_none_either() -> None:
    page = PACKAGE / "server" / "page"
    found = [
        f"{path.relative_to(ROOT)}: {mistake}: {text!r}"
        for path in sorted([*page.glob("*.js"), *page.glob("*.html")])
        for text in re.findall(r"\"[^\"\n]*\"|`[^`\n]*`|>[^<>\n]+<", path.read_text())
        for mistake in mistakes(text)
    ]
    assert not found, "\n".join(["see docs/style.md", *found])


def _advice() -> list[tuple[str, str]]:
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", (ROOT / "docs" / "style.md").read_text(), re.MULTILINE)
    return [(before, after) for before, after in rows if before not in ("instead of", "---")]


@pytest.mark.parametrize(("before", "after"), _advice())
def test_the_advice_is_what_is_checked(before: str, after: str) -> None:
    assert not mistakes(after)
    assert mistakes(before) or before.startswith("the database has another password")
