"""Check words: texts by docs/style.md, names by docs/glossary.md. ``make lint`` runs it."""

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
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


def texts(path):
    """Yield each text of a module with its line, ``{}`` for what is filled in; of docstrings only help."""
    source = path.read_text()
    tree = ast.parse(source)
    yield from _texts(
        tree, _docstrings(tree, helps="def register(" in source)
    )  # docstrings of commands are help


def _docstrings(tree, *, helps):
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


def _texts(node, left_out):
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
        children = list(inside)
    elif isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in CODE:
        return
    else:
        children = list(ast.iter_child_nodes(node))
    for child in children:
        yield from _texts(child, left_out)


def mistakes(text):
    """Return what docs/style.md advises against in a text; SQL and single words are not prose."""
    if len(text.split()) < 2 or re.match(r"\s*(?:select|insert|with|begin|create|set|alter) ", text):
        return []
    return [name for name, pattern in BANNED.items() if re.search(pattern, text, re.IGNORECASE)]


# Words of old names, and the term of docs/glossary.md that replaced each. A word is a part of an identifier.
NAMES = {
    "behind": "the role: model, preprocessed model, after",
    "beside": "temporary, extra, ignored",
    "bringing": "reconciler, operations",
    "draft": "desired state, content",
    "drafting": "desired state",
    "earlier": "previous",
    "endings": "termination",
    "fault": "error, problem, finding",
    "faults": "errors, problems, findings",
    "gatherer": "collector",
    "holdings": "resources",
    "keeper": "guard",
    "mistake": "error, unresolved",
    "mistakes": "errors",
    "nature": "schema",
    "natures": "schemas",
    "nobody": "the case itself: without_incumbent, no_api",
    "orphans": "reaper, descendants",
    "piece": "chunk, block, token",
    "pieces": "chunks, blocks, tokens",
    "place": "location, path, index, position, stack",
    "places": "locations, paths, indices, positions",
    "said": "message, output, reply",
    "somebody": "the subject's name",
    "speaking": "active, translate errors",
    "surroundings": "environment, context",
    "survey": "status",
    "told": "what it is: arguments, options, message, reply, summary",
    "who": "actor, owner, user",
    "wish": "request",
}
RECENT = {  # replaced last, and not yet in the modules below
    *("behind", "beside", "draft", "earlier", "fault", "faults", "mistake"),
    *("piece", "pieces", "place", "places", "said", "told", "who"),
}
NOT_YET = (
    *("adapters/environments", "adapters/mlflow", "compose", "config/pipeline", "data", "services"),
    *(f"lifecycle/{name}" for name in ("datasets", "export", "pipelines", "promotion", "reports", "serving")),
    "lifecycle/end_signals.py",
)
KEPT = {  # names of a contract: keys of JSON, attributes of stored models
    ("monitoring/results.py", "fault"),
    ("preprocess/blocks.py", "places"),
}


def names(path):
    """Yield each name that a module defines, with its line: classes, functions, arguments, variables."""
    yield 1, path.stem
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr


def old_words(name, module=""):
    """Return the words of a name that the glossary has replaced."""
    if (module, name) in KEPT:
        return []
    left_out = RECENT if module.startswith(NOT_YET) else ()
    parts = re.findall(r"[a-z]+", re.sub(r"([A-Z])", r"_\1", name).lower())
    return [word for word in parts if word in NAMES and word not in left_out]


def complaints():
    """Yield a line for each text and each name of the package that is worded in an old way."""
    for path in sorted(PACKAGE.rglob("*.py")):
        where = path.relative_to(ROOT)
        for line, text in texts(path):
            for mistake in mistakes(text):
                yield f"{where}:{line}: {mistake}: {text!r}; see docs/style.md"
        for line, name in names(path):
            for word in old_words(name, path.relative_to(PACKAGE).as_posix()):
                yield f"{where}:{line}: {name}: the word {word} is now {NAMES[word]} (docs/glossary.md)"


def main():
    found = list(complaints())
    for line in found:
        print(line, file=sys.stderr)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
