"""The page in a real headless browser, as a person meets it."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import serving_help
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select


class Page:
    """The page as a person meets it.

    Args:
        driver: The browser.
    """

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def open(self, url: str, width: int = 1280, height: int = 900, *, dark: bool = False) -> Page:
        """Load it in a window of that size, and wait for the form."""
        self.driver.get_log("browser")
        self.size(width, height, dark=dark)
        self.driver.get(f"{url}/")
        serving_help.until(lambda: self.main_is_there() or self.one("#key").is_displayed(), 90, "the page")
        return self

    def size(self, width: int, height: int, *, dark: bool = False) -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 700}
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def main_is_there(self) -> bool:
        return self.one("#main").is_displayed()

    def one(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        """What the first of them shows.

        Raises:
            NoSuchElementException: There is none.
        """
        found = self.texts(selector)
        return found[0] if found else self.one(selector).text

    def texts(self, selector: str) -> list[str]:
        """What each of them shows, in one look: the page replaces its parts while they are read."""
        while True:
            with contextlib.suppress(StaleElementReferenceException):
                return [element.text for element in self.all(selector)]

    def script(self, code: str, *arguments: Any) -> Any:
        return self.driver.execute_script(code, *arguments)

    def input(self, name: str) -> WebElement:
        """The control that carries the column's name as its label."""
        for label in self.all("#fields label"):
            if self.script("return arguments[0].textContent", label) == name:
                return self.one(f"#{label.get_attribute('for')}")
        raise AssertionError(f"no input is labelled {name!r}")

    def fill(self, name: str, text: str) -> None:
        """Replace what an input holds, by typing."""
        element = self.input(name)
        if element.tag_name == "select":
            Select(element).select_by_value(text)
            return
        if element.get_attribute("type") != "file":
            element.clear()
        element.send_keys(text)

    def predict(self) -> str:
        """Press the button; what the model said, once it has said it."""
        self.script("document.querySelector('#result').firstChild.dataset.before = 'yes'")
        self.one("#predict").click()
        serving_help.until(lambda: not self.all("#result [data-before]"), 60, "the prediction")
        said = self.texts("#result .said strong")
        assert said, f"no prediction, but: {self.texts('#form, #trouble')}"
        return said[0]

    def problems(self) -> list[str]:
        """What the browser complained of: refused by the policy, scripts that failed."""
        logged = [str(entry["message"]) for entry in self.driver.get_log("browser")]
        return [line for line in logged if "Failed to load resource" not in line]

    def overflow(self) -> int:
        """By how many pixels the page is wider than the window."""
        return int(self.script("return document.documentElement.scrollWidth - window.innerWidth"))


@contextlib.contextmanager
def browser(folder: Path) -> Iterator[Page]:
    """A headless Chromium; skips the test where it or its driver is missing."""
    driver = shutil.which("chromedriver")
    binary = shutil.which("chromium") or shutil.which("google-chrome")
    if driver is None or binary is None:
        pytest.skip("no browser: needs Debian's packages chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu",
                     "--lang=en-US", "--no-proxy-server", f"--user-data-dir={folder}"):  # fmt: skip
        options.add_argument(argument)
    environment = {"TMPDIR": str(folder), "HOME": str(folder), "TZ": "UTC", "PATH": "/usr/bin:/bin"}
    service = webdriver.ChromeService(driver, env=environment)
    started = webdriver.Chrome(options=options, service=service)
    try:
        yield Page(started)
    finally:
        started.quit()
