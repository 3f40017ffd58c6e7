"""A person at the page: fills in, reads, sees the model change."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import serving_help
from browser_help import Page
from page_help import Site
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

pytestmark = pytest.mark.slow
Model = Callable[[str], Path]


@pytest.fixture(scope="module")
def site(model: Model, postgres: serving_help.Postgres, page: Page) -> Iterator[Site]:
    with Site(model("people"), postgres.url, answer_timeout=6.0) as running:
        yield running


@pytest.fixture(autouse=True)
def _first_version(site: Site, model: Model) -> Iterator[None]:
    yield
    if site.models["production"].version != 3:
        site.put(model("people"), 3)


def asked(folder: Path, row: dict[str, Any]) -> Any:
    """The estimator itself on one row: its label and the score of the positive class."""
    import mlflow.sklearn

    estimator = mlflow.sklearn.load_model(str(folder))
    frame = pd.DataFrame([row])
    return estimator.predict(frame)[0], estimator.predict_proba(frame)[0]


def test_the_form_comes_from_the_signature_with_the_example_filled_in(site: Site, page: Page) -> None:
    page.open(site.url)
    first = serving_help.people().iloc[0]
    assert [label.text for label in page.all("#fields label")] == serving_help.FEATURES
    kinds = {name: page.input(name).get_attribute("type") for name in serving_help.FEATURES}
    assert kinds == {
        "amount": "number", "age": "number", "city": "textarea", "member": "checkbox",
        "since": "datetime-local",
    }  # fmt: skip
    assert float(page.input("amount").get_attribute("value")) == first["amount"]
    assert page.input("city").get_attribute("value") == first["city"]
    assert page.input("member").is_selected() == first["member"]
    assert page.input("since").get_attribute("value").startswith(f"{first['since']:%Y-%m-%dT%H:%M}")
    assert "number, optional" in page.text("#fields") and "date and time" in page.text("#fields")
    assert page.text("#name") == "people"
    assert "version 3" in page.text("#facts") and "production" in page.text("#facts")
    assert "promoted Nov 20, 2026" in page.text("#facts")
    assert page.one("#facts time").get_attribute("datetime") == "2026-11-20T14:32:10+00:00"
    assert page.problems() == []


def test_a_prediction_is_the_models_own_and_is_stored(
    site: Site, page: Page, model: Model, postgres: serving_help.Postgres
) -> None:
    page.open(site.url)
    page.fill("amount", "12.5")
    page.fill("age", "81")
    page.fill("city", "Köln")
    if page.input("member").is_selected():
        page.input("member").click()
    said = page.predict()
    since = serving_help.people().iloc[0]["since"]
    row = {"amount": 12.5, "age": 81.0, "city": "Köln", "member": False, "since": since}
    label, scores = asked(model("people"), row)
    assert said == str(label)
    assert page.text("#result .scores .label") == "Score of 1"
    assert page.text("#result .scores .value") == f"{scores[1]:.4f}"
    assert "3 (production)" in page.text("#result .meta") and " ms" in page.text("#result .meta")
    identifier = page.text("#result .meta code")
    stored = postgres.query(
        "select inputs, prediction, model_version from serving.predictions where prediction_id = %s",
        identifier,
    )
    assert stored[0][0] | {"since": None} == row | {"since": None}
    assert stored[0][1:] == (label, 3)


def test_recent_predictions_follow_at_once_the_newest_first(site: Site, page: Page) -> None:
    page.open(site.url)
    for amount in ("1001", "1002.25"):
        page.fill("amount", amount)
        page.predict()
    serving_help.until(lambda: any("1002.25" in row for row in page.texts("tr.mine")), 60)
    rows = page.texts("#recent tbody tr")
    assert "amount 1002.25" in rows[0] and "amount 1001" in rows[1]
    assert "3 (production)" in rows[0]
    assert page.text("#recent thead") == "Time Version Inputs Prediction Score"
    assert rows[0].split()[-1] == page.text("#result .scores .value")
    page.driver.refresh()
    serving_help.until(lambda: page.texts("#recent tbody tr"), 60)
    assert page.texts("#recent tbody tr")[:2] == rows[:2]


def test_an_optional_input_may_stay_empty(site: Site, page: Page, postgres: serving_help.Postgres) -> None:
    page.open(site.url)
    page.one("#to-empty").click()
    page.fill("age", "40")
    page.fill("city", "Paris")
    page.fill("since", "03042021\t1015AM")
    assert page.input("since").get_attribute("value") == "2021-03-04T10:15"
    page.predict()
    stored = postgres.query(
        "select inputs from serving.predictions where prediction_id = %s", page.text("#result .meta code")
    )[0][0]
    assert stored["amount"] is None
    assert (stored["age"], stored["city"], stored["member"]) == (40.0, "Paris", False)
    assert stored["since"].startswith("2021-03-04T10:15")
    page.one("#to-example").click()
    assert page.input("city").get_attribute("value") == serving_help.people().iloc[0]["city"]


def test_everything_works_by_keyboard(site: Site, page: Page) -> None:
    page.open(site.url)
    page.input("amount").send_keys(Keys.TAB)
    reached = []
    for _ in range(12):
        active = page.driver.switch_to.active_element
        reached.append(active.get_attribute("id"))
        active.send_keys(Keys.TAB)
    assert reached[:2] == ["input-1", "input-2"]
    assert "predict" in reached
    page.input("age").send_keys(Keys.ENTER)
    serving_help.until(lambda: page.all("#result .said"), 60, "the prediction")
    assert page.one("#result").get_attribute("aria-live") == "polite"


def test_a_new_version_shows_itself_and_what_was_typed_stays(site: Site, page: Page, model: Model) -> None:
    page.open(site.url)
    page.fill("amount", "77.5")
    site.put(model("kinds"), 4)
    serving_help.until(lambda: "version 4" in page.text("#facts"), 60, "the new version")
    assert page.text("#news") == "Now serving version 4 instead of version 3."
    assert page.input("amount").get_attribute("value") == "77.5"
    said = page.predict()
    bars = [(bar.text.split()[0], float(bar.text.split()[1])) for bar in page.all("#result .scores li")]
    assert {name for name, _ in bars} == {"setosa", "versicolor", "virginica"}
    assert bars == sorted(bars, key=lambda bar: -bar[1]) and bars[0][0] == said
    assert sum(value for _, value in bars) == pytest.approx(1, abs=2e-4)
    assert "4 (production)" in page.text("#result .meta")
    assert page.problems() == []


def test_other_columns_come_with_the_version_that_has_them(site: Site, page: Page, model: Model) -> None:
    page.open(site.url)
    assert not page.one("#finder").is_displayed()
    site.put(model("wide"), 5)
    serving_help.until(lambda: len(page.all("#fields .field")) == 200, 60, "the new form")
    page.one("#find").send_keys("v19")
    assert page.text("#found") == "11 of 200"
    assert sum(field.is_displayed() for field in page.all("#fields .field")) == 11
    page.predict()
    assert len([bar for bar in page.all("#result .scores li") if bar.is_displayed()]) == 10
    assert page.text("#result details summary") == "2 more"
    assert page.overflow() <= 0
    page.size(320, 640)
    assert page.overflow() <= 0
    assert page.one("#predict").rect["height"] >= 44


def test_the_true_value_can_be_told(site: Site, page: Page, postgres: serving_help.Postgres) -> None:
    page.open(site.url)
    page.predict()
    Select(page.one("#truth")).select_by_visible_text("1")
    page.one(".feedback button").click()
    serving_help.until(lambda: page.text(".feedback [role=status]"), 60)
    assert page.text(".feedback [role=status]") == "Stored. Thank you."
    identifier = page.text("#result .meta code")
    told = postgres.query("select value from serving.ground_truth where prediction_id = %s", identifier)
    assert told == [(1,)]


def test_the_line_for_a_shell_does_the_same(site: Site, page: Page) -> None:
    import subprocess

    page.open(site.url)
    page.fill("city", "it's 東京")
    said = page.predict()
    page.one(".program summary").click()
    line = page.text(".program pre")
    done = subprocess.run(["bash", "-c", f"{line} --noproxy '*'"], capture_output=True, text=True, check=True)
    assert [str(value) for value in json.loads(done.stdout)["predictions"]] == [said]


def test_a_database_that_is_away_is_said(site: Site, page: Page, postgres: serving_help.Postgres) -> None:
    page.open(site.url)
    postgres.freeze(True)
    try:
        page.one("#predict").click()
        serving_help.until(lambda: page.text("#form-error"), 90)
        assert "try again" in page.text("#form-error")
    finally:
        postgres.freeze(False)
    serving_help.until(lambda: page.predict() in {"0", "1"}, 90)
    assert page.text("#form-error") == ""


def test_an_api_that_is_away_is_said_and_found_again(model: Model, postgres: Any, page: Page) -> None:
    with Site(model("people"), postgres.url) as site:
        page.open(site.url)
    serving_help.until(lambda: page.text("#trouble"), 90)
    assert page.text("#trouble") == "The API does not answer; trying again."
