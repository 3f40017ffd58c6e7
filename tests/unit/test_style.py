"""The wording of what users read: docs/style.md, held against every text of the package."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "mlpipes_cli"
CODE = {
    "execute",
    "executemany",
    "SQL",
    "compile",
    "search",
    "match",
    "filterwarnings",
}  # whose texts are no prose

BANNED = {
    "is no": r"(?<!there )\b(?:is|are|was|were) no (?!longer\b|such\b)",
    "nobody, somebody": r"\b(?:no|some|any|every)body\b",
    "whoever": r"\bwhoever\b",
    "gives way": r"\bgives? way\b",
    "to be had": r"\b(?:cannot|to) be had\b",
    "stands twice": r"\bstands? (?:twice|in|on|among|beside|for)\b",
    "beside": r"\bbeside\b",
    "wants": r"\bwants?\b",
    "without a word": r"\b(?:without a word|last words|said nothing)\b",
    "meanwhile": r"\bmeanwhile\b",
    "are taken": r"\bare taken\b",
    "takes no": r"\b(?:takes|gives) no\b",
    "passed over": r"\bpass(?:es|ed)? over\b",
    "goes on": r"\bgo(?:es|ing)? on\b",
    "of before": r"\bof before\b",
    "as it was": r"\bas (?:it|they) (?:was|were)\b(?! before)",
}


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Each text of a module and its line, ``{}`` for what is filled in; docstrings of commands only."""
    source = path.read_text()
    tree = ast.parse(source)
    yield from _texts(
        tree, _docstrings(tree, helps="def register(" in source)
    )  # docstrings of commands are help


def _docstrings(tree: ast.AST, *, helps: bool) -> set[int]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            found.add(id(node.value))
    if helps:
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.FunctionDef)
                and not node.name.startswith("_")
                and ast.get_docstring(node)
            ):
                assert isinstance(node.body[0], ast.Expr)
                found.discard(id(node.body[0].value))
    return found


def _texts(node: ast.AST, left_out: set[int]) -> Iterator[tuple[int, str]]:
    if id(node) in left_out:
        return
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            yield node.lineno, node.value
        return
    if isinstance(node, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.Constant) else "{}" for part in node.values]
        yield node.lineno, "".join(map(str, parts))
        inside = [part.value for part in node.values if isinstance(part, ast.FormattedValue)]
        children: list[ast.AST] = list(inside)
    elif isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in CODE:
        return
    else:
        children = list(ast.iter_child_nodes(node))
    for child in children:
        yield from _texts(child, left_out)


def mistakes(text: str) -> list[str]:
    """What docs/style.md advises against in a text; SQL and single words are no prose."""
    if len(text.split()) < 2 or re.match(r"\s*(?:select|insert|with|begin|create|set|alter) ", text):
        return []
    return [name for name, pattern in BANNED.items() if re.search(pattern, text, re.IGNORECASE)]


def test_no_text_of_the_package_has_a_banned_fragment() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {mistake}: {text!r}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for line, text in texts(path)
        for mistake in mistakes(text)
    ]
    assert not found, "\n".join(["see docs/style.md", *found])


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
