"""The page with names that look like markup, with pictures, with keys, on a phone, for every reader."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import page_help
import pytest
import serving_help
from browser_help import Page
from page_help import HOSTILE, HOSTILE_CLASSES, Site
from selenium.webdriver.support.ui import Select

pytestmark = pytest.mark.slow
Model = Callable[[str], Path]
AA = 4.5  # WCAG 2.2, 1.4.3: contrast of text
CONTRAST = """
const parse = (text) => text.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
  .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const behind = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const colour = parse(getComputedStyle(at).backgroundColor);
    if (colour.length === 3 || colour[3] > 0) return colour;
  }
  return parse(getComputedStyle(document.body).backgroundColor);
};
const seen = (element) => element.getClientRects().length && !element.closest(".skip, thead");
const worst = [];
for (const element of document.querySelectorAll("body *")) {
  const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  if (!seen(element) || !(own || "value" in element)) continue;
  const [a, b] = [light(parse(getComputedStyle(element).color)), light(behind(element))];
  worst.push([(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), element.tagName + "." + element.className]);
}
return worst.sort((a, b) => a[0] - b[0])[0];
"""


def test_names_and_values_that_look_like_markup_stay_text(
    page: Page, model: Model, postgres: serving_help.Postgres
) -> None:
    with Site(model("hostile"), postgres.url) as site:
        page.open(site.url)
        labels = page.script("return [...document.querySelectorAll('#fields label')].map(e => e.textContent)")
        assert labels == list(HOSTILE)
        page.fill("__proto__", "1.5")
        said = page.predict()
        assert said in HOSTILE_CLASSES
        identifier = page.text("#result .meta code")
        query = "select inputs from serving.predictions where prediction_id = %s"
        stored = postgres.query(query, identifier)[0][0]
        assert sorted(stored) == sorted(HOSTILE)
        assert stored["__proto__"] == 1.5
        assert stored[list(HOSTILE)[-1]].startswith(("<script>", "'; drop"))
        page.fill(list(HOSTILE)[-1], "<img src=x onerror='window.owned=1'>")
        page.predict()
        serving_help.until(lambda: "<img src=x" in page.text("#recent"), 60)
        assert page.text("#result .scores .label") == f"Score of {HOSTILE_CLASSES[0]}"
        assert page.script("return window.owned ?? null") is None
        assert page.all("main script, main img[src=x], main b") == []
        for width in (320, 1280):
            page.size(width, 640)
            assert page.overflow() <= 0
        assert page.problems() == []


def test_an_error_stands_at_the_column_that_it_names(
    page: Page, model: Model, postgres: serving_help.Postgres
) -> None:
    name = list(HOSTILE)[1]
    with Site(model("hostile"), postgres.url) as site:
        page.open(site.url)
        page.input(name).clear()
        page.one("#predict").click()
        serving_help.until(lambda: page.text("#form-error"), 60)
        wrong = page.one("#fields .wrong")
        assert wrong.text.startswith(name)
        assert "expected a whole number (long), got a missing value" in wrong.text
        element = page.input(name)
        assert element.get_attribute("aria-invalid") == "true"
        assert "input-1-error" in element.get_attribute("aria-describedby")
        assert page.driver.switch_to.active_element == element
        assert page.text("#form-error") == f"Please check {name}."
        element.send_keys("1.5")
        assert page.all("#fields .wrong") == []
        page.one("#predict").click()
        assert page.one("#fields .wrong").text.endswith("expected a whole number")
        page.fill(name, "9007199254740993")  # one more than a JavaScript number can tell
        page.predict()
        query = "select inputs ->> %s from serving.predictions where prediction_id = %s"
        assert postgres.query(query, name, page.text("#result .meta code")) == [("9007199254740993",)]


def test_pictures_go_up_as_base64_and_are_seen_first(
    page: Page, model: Model, postgres: serving_help.Postgres, tmp_path: Path
) -> None:
    small, large = tmp_path / "small.png", tmp_path / "large.png"
    small.write_bytes(page_help.png(40, 24))
    large.write_bytes(page_help.png(300, 100))
    with Site(model("pictures"), postgres.url) as site:
        page.open(site.url)
        assert page.input("scan").get_attribute("accept") == "image/*"
        page.fill("picture", str(small))
        page.fill("scan", str(large))
        wide = "return [...document.querySelectorAll('.preview')].map(e => e.hidden ? 0 : e.naturalWidth)"
        serving_help.until(lambda: page.script(wide) == [40, 300], 60, "the previews")
        assert page.predict() == str(40 * 24 + 300 * 100)
        query = "select inputs from serving.predictions where prediction_id = %s"
        stored = postgres.query(query, page.text("#result .meta code"))[0][0]
        assert base64.b64decode(stored["picture"]) == small.read_bytes()
        assert base64.b64decode(stored["scan"]) == large.read_bytes()
        page.all(".picked button")[1].click()
        assert page.predict() == str(40 * 24)
        assert page.overflow() <= 0
        assert page.problems() == []


def test_more_than_the_api_takes_is_not_even_sent(
    page: Page, model: Model, postgres: serving_help.Postgres, tmp_path: Path
) -> None:
    (tmp_path / "large").write_bytes(b"x" * 90_000)
    with Site(model("pictures"), postgres.url, max_bytes=100_000) as site:
        page.open(site.url)
        page.fill("picture", str(tmp_path / "large"))
        page.one("#predict").click()
        serving_help.until(lambda: page.text("#form-error"), 60)
        assert page.text("#form-error") == "These inputs are 120.0 kB; the limit is 100.0 kB."


def test_a_model_without_named_columns_is_asked_in_its_protocol(
    page: Page, model: Model, postgres: serving_help.Postgres
) -> None:
    with Site(model("tensors"), postgres.url) as site:
        page.open(site.url)
        page.one("#raw").clear()
        page.one("#raw").send_keys('{"inputs": [[1, 2, 3.5]]}')
        assert float(page.predict()) == pytest.approx(6.5)
        page.one("#raw").send_keys("!")
        page.one("#predict").click()
        serving_help.until(lambda: page.text("#form-error"), 60)
        assert "not valid JSON" in page.text("#form-error")


def test_a_key_is_asked_for_and_kept_in_the_tab_alone(
    page: Page, model: Model, postgres: serving_help.Postgres
) -> None:
    from mlpipes_cli.adapters import database_wiring
    from mlpipes_cli.server.ops.keys import new_key

    keys, key = database_wiring.make_key_store(postgres.url), new_key()
    with Site(model("people"), postgres.url, api_keys="required") as site:
        keys.prepare()
        keys.create(key.id, "a person", key.digest)
        page.open(site.url)
        assert not page.main_is_there()
        page.one("#key-text").send_keys("mlp_wrong\n")
        serving_help.until(lambda: page.text("#key-error"), 60)
        assert page.text("#key-error") == "This key is not accepted."

        def enter() -> bool:
            if page.one("#key-text").is_displayed():
                page.one("#key-text").send_keys(f"{key.text}\n")
            return page.main_is_there()

        serving_help.until(enter, 90, "the form")
        assert page.predict() in {"0", "1"}
        serving_help.until(lambda: page.all("#recent tr.mine"), 60)
        kept = "return [Object.values(sessionStorage), Object.values(localStorage), document.cookie]"
        assert page.script(kept) == [[key.text], [], ""]
        assert key.text not in page.driver.page_source
        page.one("#forget").click()
        serving_help.until(lambda: page.one("#key").is_displayed(), 60)
        assert page.script(kept) == [[], [], ""]
    postgres.query("truncate serving.api_keys")
    keys.close()


def test_several_aliases_can_be_asked(page: Page, model: Model, postgres: serving_help.Postgres) -> None:
    with Site(model("people"), postgres.url) as site:
        site.put(model("kinds"), 9, "staging")
        page.open(site.url)
        choice = Select(page.one("#alias"))
        assert [option.text for option in choice.options] == ["production (version 3)", "staging (version 9)"]
        choice.select_by_value("staging")
        serving_help.until(lambda: "version 9" in page.text("#facts"), 60)
        assert page.predict() in {"setosa", "versicolor", "virginica"}
        assert "9 (staging)" in page.text("#result .meta")
        serving_help.until(lambda: "9 (staging)" in page.text("#recent"), 60)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize(("width", "height"), [(320, 640), (1280, 900)])
def test_it_can_be_read(
    page: Page, model: Model, postgres: serving_help.Postgres, width: int, height: int, dark: bool
) -> None:
    with Site(model("kinds"), postgres.url) as site:
        page.open(site.url, width, height, dark=dark)
        page.fill("age", "33")
        page.predict()
        serving_help.until(lambda: page.all("#recent tr.mine"), 60)
        assert page.overflow() <= 0
        contrast, where = page.script(CONTRAST)
        assert contrast >= AA, where
        unnamed = [
            e.tag_name
            for e in page.all("input, select, textarea, button")
            if e.is_displayed() and not e.accessible_name
        ]
        assert unnamed == []
        if width == 320:
            answer = page.one("#answer").rect["y"] - page.script("return scrollY")
            serving_help.until(
                lambda: 0 <= page.one("#answer").rect["y"] - page.script("return scrollY") < height, 5, answer
            )


def test_a_regression_has_a_number_and_no_scores(
    page: Page, model: Model, postgres: serving_help.Postgres
) -> None:
    with Site(model("amounts"), postgres.url) as site:
        page.open(site.url)
        assert float(page.predict()) > 0
        assert page.all("#result .scores") == []
        page.one("#truth").send_keys("12.5")
        page.one(".feedback button").click()
        serving_help.until(lambda: page.text(".feedback [role=status]") == "Stored. Thank you.", 60)


def test_nothing_comes_from_elsewhere(page: Page, model: Model, postgres: serving_help.Postgres) -> None:
    with Site(model("people"), postgres.url) as site:
        page.open(site.url)
        page.predict()
        fetched: list[Any] = page.script("return performance.getEntriesByType('resource').map(e => e.name)")
        assert len(fetched) >= 10
        assert all(address.startswith(f"{site.url}/") for address in fetched)
