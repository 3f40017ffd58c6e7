"""The documentation as a site: built from a clean clone, without outside help, and looked at in a browser."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import documented
import pytest
from browser_help import Page, browser
from conftest import sealed_environment
from e2e.test_documentation import pages
from e2e.test_readme import ROOT
from e2e.test_tutorial import checkout
from PIL import Image
from serving_help import until
from unit.api.test_public_names import METHODS, NAMES

pytestmark = pytest.mark.slow
KEPT = ROOT / "docs" / "_static"
GENERATED = ("commands", "mlpipes-yaml", "experiment-yaml", "metrics", "rest")
LOADED = {"script": "src", "img": "src", "source": "src", "iframe": "src", "link": "href", "object": "data"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as ``make docs`` builds it, from a copy of what Git knows."""
    folder = tmp_path_factory.mktemp("clone")
    checkout(folder)
    (line,) = re.findall(r"-- (sphinx-build .*)", (ROOT / "Makefile").read_text(encoding="utf-8"))
    command = [sys.executable, "-m", "sphinx", *line.split()[1:]]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-5000:]
    assert "-W" in command
    return folder / "build" / "docs"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


class Loads(HTMLParser):
    """What a page loads, and its links and anchors."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if (
            tag in LOADED
            and LOADED[tag] in given
            and given.get("rel") not in ("index", "search", "next", "prev")
        ):
            self.loads.append(given[LOADED[tag]])
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        self.anchors |= {given["id"]} if "id" in given else set()


def test_every_page_is_there_and_generated_ones_are_not_kept(site: Path) -> None:
    kept = [path for path in pages()[1:] if path not in documented.GUIDES]
    kept += (ROOT / "docs/adr").glob("*.md")
    wanted = [path.relative_to(ROOT / "docs").with_suffix(".html") for path in kept]
    guides = Path("how-to", "training", "generated")
    wanted += [guides / f"{path.parent.name}.html" for path in documented.GUIDES]
    wanted += [Path("reference", "generated", f"{name}.html") for name in GENERATED]
    assert [str(path) for path in wanted if not (site / path).is_file()] == []
    listed = subprocess.run(
        ["git", "ls-files", "docs/**/generated/*"], cwd=ROOT, capture_output=True, text=True
    )
    assert listed.stdout == ""


def test_nothing_is_loaded_from_elsewhere_and_links_lead_somewhere(site: Path) -> None:
    found = {path: Loads(path) for path in site.rglob("*.html") if "_static" not in path.parts}
    assert len(found) > 80
    wrong = []
    for path, seen in found.items():
        for target in [*seen.loads, *seen.links]:
            if re.match(r"[a-z]+:", target) or target.startswith("//"):
                wrong += [f"{path.name} loads {target}"] if target in seen.loads else []
                continue
            file, _, anchor = target.partition("#")
            other = (path.parent / file.partition("?")[0]).resolve() if file else path
            if not other.is_file():
                wrong.append(f"{path.name} -> {target}")
            elif anchor and other in found and anchor not in found[other].anchors:
                wrong.append(f"{path.name} -> {target}")
    for path in site.rglob("*.css"):
        wrong += re.findall(
            r"(?:@import|url\()\s*[\"']?(?:https?:)?//[^)\"']+", path.read_text(encoding="utf-8")
        )
    assert wrong == []


def test_the_reference_names_every_command_key_and_method(site: Path) -> None:
    from mlpipes_cli.cli import app, commands
    from mlpipes_cli.config.schema import MODELS

    commands.register(app.app)
    shown = (site / "reference/generated/commands.html").read_text(encoding="utf-8")
    names = {str(c.name or c.callback.__name__) for c in app.app.registered_commands if c.callback}
    for name in names | {str(group.name) for group in app.app.registered_groups}:
        assert f'id="mlpipes-{name}"' in shown, name
    assert "--older-than" in shown and "130" in shown
    for file, model in MODELS.items():
        text = (site / f"reference/generated/{file}-yaml.html").read_text(encoding="utf-8")
        for key in model.model_fields:
            assert f'<span class="pre">{key}</span>' in text, key
    python = Loads(site / "reference/python-api.html").anchors
    assert {f"mlpipes_cli.{name}" for name in NAMES} <= python
    assert {f"mlpipes_cli.Project.{name}" for name in METHODS} <= python
    rest = (site / "reference/generated/rest.html").read_text(encoding="utf-8")
    assert "/v2/models/{name}/infer" in rest and "PredictAnswer" in rest


def addresses(site: Path) -> list[str]:
    """All pages but the decisions, of which the index and the longest stand for the others."""
    adr = sorted((site / "adr").glob("*.html"), key=lambda path: path.stat().st_size)
    found = [path for path in site.rglob("*.html") if not {"adr", "_static"} & set(path.parts)]
    return [path.as_uri() for path in [*sorted(found), site / "adr/README.html", *adr[-5:]]]


@pytest.mark.parametrize("width", [390, 1280])
def test_pages_fit_the_window_and_navigation_is_reachable(site: Path, page: Page, width: int) -> None:
    found = []
    for address in addresses(site):
        page.size(width, 844)
        page.driver.get(address)
        if page.overflow() > 0:
            found.append(f"{address}: {page.overflow()} px too wide")
        if not address.endswith(("/search.html", "/py-modindex.html")) and not page.one("h1").is_displayed():
            found.append(f"{address}: no heading")
    assert found == []
    page.driver.get((site / "index.html").as_uri())
    if width < 700:
        assert not in_the_window(page)
        page.one("label.nav-overlay-icon").click()
    link = "document.querySelector('.sidebar-tree a[href=\"tutorial.html\"]')"
    until(lambda: in_the_window(page), 10, "the navigation")
    page.script(f"{link}.click()")
    until(lambda: "Tutorial" in page.driver.title, 10, "the tutorial")
    assert page.problems() == []


def test_the_script_takes_the_pictures(tmp_path: Path) -> None:
    browser_is_there()
    command = [sys.executable, ROOT / "scripts" / "screenshots.py", tmp_path]
    environ = sealed_environment(tmp_path / "home") | {"PATH": os.environ["PATH"]}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    for name, size in {"page": (1280, 860), "page-phone": (390, 844)}.items():
        with Image.open(tmp_path / f"{name}.webp") as taken, Image.open(KEPT / f"{name}.webp") as kept:
            assert taken.size == kept.size == size
            assert len(taken.convert("L").getcolors(256) or ()) > 50  # not an empty window
        assert (KEPT / f"{name}.webp").stat().st_size < 100_000


def browser_is_there() -> None:
    if shutil.which("chromedriver") is None or shutil.which("chromium") is None:
        pytest.skip("no browser: needs Debian's packages chromium and chromium-driver")


def in_the_window(page: Page) -> bool:
    box = "document.querySelector('.sidebar-tree').getBoundingClientRect()"
    return bool(page.script(f"return {box}.left >= 0 && {box}.right <= window.innerWidth && {box}.width > 0"))
