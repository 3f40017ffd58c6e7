"""The README, and the page on a project from start to end, tell the truth.

Marked blocks are run; the table of commands is complete; links lead somewhere.

A code block after ``<!-- run -->`` is run; one after ``<!-- file: NAME -->`` is written to that file.
Those of a page share one folder and one shell, in the order in which they stand.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import Cli

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {"README.md": README, "project.md": (ROOT / "docs/how-to/project.md").read_text(encoding="utf-8")}
MARKED = re.compile(
    r"<!-- (run|file: (?P<file>[^ ]+)) -->\n+```(?P<language>\w+)\n(?P<body>.*?)^```$", re.M | re.S
)
STOP = "mlpipes down --volumes --yes"


@dataclass(frozen=True)
class Block:
    """A marked block."""

    file: str | None
    language: str
    body: str


def blocks(text: str = README) -> list[Block]:
    return [Block(found["file"], found["language"], found["body"]) for found in MARKED.finditer(text)]


def script(text: str = README) -> str:
    """All blocks as one shell script that stops at the first failure."""
    parts = ["set -euo pipefail"]
    for number, block in enumerate(blocks(text)):
        mark = f"END_OF_BLOCK_{number}"
        if block.file is not None:
            parts.append(f"cat > {block.file} <<'{mark}'\n{block.body}{mark}")
        elif block.language == "python":
            parts.append(f"python - <<'{mark}'\n{block.body}{mark}")
        else:
            parts.append(block.body)
    return "\n".join(parts)


@pytest.mark.parametrize("page", PAGES)
def test_every_mark_belongs_to_a_block(page: str) -> None:
    marks = re.findall(r"^<!-- (?:run|file: )", PAGES[page], re.MULTILINE)
    assert len(blocks(PAGES[page])) == len(marks) > 0


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_the_marked_blocks_run(page: str, tmp_path: Path) -> None:
    binaries = str(Path(sys.executable).parent)
    environ = os.environ | {"PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path)}
    done = subprocess.run(
        ["bash", "-c", script(PAGES[page])], cwd=tmp_path, env=environ, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600,
    )  # fmt: skip
    projects = [path.parent for path in tmp_path.rglob("mlpipes.yaml")]
    for project in projects:  # a failed block leaves it running
        subprocess.run(["bash", "-c", STOP], cwd=project, env=environ, capture_output=True, check=True)
    assert done.returncode == 0, done.stdout[-5000:]
    assert projects


@pytest.mark.slow
def test_the_demo_tells_the_story_that_the_page_shows(cli: Cli, tmp_path: Path) -> None:
    """What ``make demo`` calls once the environment is ready."""
    folder = tmp_path / "demo"
    cli("init", folder).ok()
    settings = (folder / "mlpipes.yaml").read_text(encoding="utf-8")
    (folder / "mlpipes.yaml").write_text(
        settings.replace("runtime: auto", "runtime: embedded"), encoding="utf-8"
    )
    assert "runtime: embedded" in (folder / "mlpipes.yaml").read_text(encoding="utf-8")
    try:
        done = cli("demo", folder).ok()
    finally:
        cli("-C", folder, "down", "--volumes", "--yes")
    told = done.out + done.err
    steps = re.findall(r"^\[\d/7\] mlpipes \w+", PAGES["project.md"], re.MULTILINE)
    assert len(steps) == 7
    assert [step for step in steps if step not in told] == []


def test_the_table_of_commands_is_complete() -> None:
    from mlpipes_cli.cli import app, commands

    commands.register(app.app)
    there = {str(c.name or c.callback.__name__) for c in app.app.registered_commands if c.callback}
    there |= {str(group.name) for group in app.app.registered_groups}
    page = (ROOT / "docs" / "reference" / "index.md").read_text(encoding="utf-8")
    table = page.split("## Commands", 1)[1].split("\n## ", 1)[0]
    told = set(re.findall(r"`mlpipes (\w+)", table))
    assert told == there


def documents() -> list[Path]:
    return [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "CHANGELOG.md",
        *sorted(ROOT.glob("docs/**/*.md")),
    ]


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", path.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://", "generated/")):  # made by `make docs`: test_site.py
            assert (path.parent / target).exists(), target


def test_every_decision_is_in_the_index() -> None:
    folder = ROOT / "docs" / "adr"
    listed = set(re.findall(r"\]\(([^)]+\.md)\)", (folder / "README.md").read_text(encoding="utf-8")))
    assert listed == {path.name for path in folder.glob("[0-9]*.md")}


@pytest.mark.parametrize(
    "path", sorted((ROOT / "docs" / "adr").glob("[0-9]*.md")), ids=lambda path: path.stem[:4]
)
def test_decisions_have_one_format(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert re.match(rf"# {path.name[:4]}: \S.*\n\nStatus: accepted, \d{{4}}-\d\d-\d\d", text)
    parts = ["Context", "Decision", "Alternatives considered", "Consequences"]
    assert re.findall("^## (.*)$", text, re.MULTILINE) == parts
