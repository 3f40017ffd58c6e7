"""The page's files hold nothing that the page promises not to."""

from __future__ import annotations

import re

import pytest

from mlpipes_cli.server.ops.keys import OPEN
from mlpipes_cli.server.page.files import FILES

SCRIPTS = {path: file.read_text() for path, file in FILES.items() if file.suffix == ".js"}


def test_every_script_that_is_imported_is_served() -> None:
    for path, code in SCRIPTS.items():
        for name in re.findall(r'from "\./([^"]+)"', code):
            assert f"/page/{name}" in FILES, path
    page = FILES["/"].read_text()
    assert {f"/{name}" for name in re.findall(r'(?:src|href)="(page/[^"]+)"', page)} <= set(FILES)


@pytest.mark.parametrize("path", SCRIPTS)
def test_text_is_never_parsed_as_markup_or_code(path: str) -> None:
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser|setHTML",
        SCRIPTS[path],
    )


@pytest.mark.parametrize("path", FILES)
def test_nothing_is_fetched_from_elsewhere_and_nothing_is_inline(path: str) -> None:
    text = FILES[path].read_text().replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not re.search(r"https?://|url\(|@import", text)
    assert not re.search(r"<script(?! type=\"module\" src=)|<style|\son\w+=|\sstyle=", text)


def test_the_key_stays_in_the_tab() -> None:
    code = "".join(SCRIPTS.values())
    assert "sessionStorage" in code
    assert not re.search(r"localStorage|document\.cookie|indexedDB", code)


def test_only_files_may_be_had_without_a_key() -> None:
    assert {"/page/model", "/predictions/recent"}.isdisjoint(OPEN)
    assert set(FILES) <= OPEN
    assert all(file.is_file() for file in FILES.values())
