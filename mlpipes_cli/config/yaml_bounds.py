"""YAML within bounds: a few lines of aliases can stand for billions of values, and the parser in C ends the
process where a document is nested too deep."""

from __future__ import annotations

from typing import Any

import yaml

MOST_REPEATED = 10_000  # values that stand in a document only by an alias
DEEPEST = 100
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class OutOfBounds(yaml.MarkedYAMLError):
    """A document that is not read; ``problem`` says why.

    Attributes:
        line: Where, from 1.
    """

    def __init__(self, problem: str, mark: Any) -> None:
        super().__init__(problem=problem, problem_mark=mark)
        self.line: int = mark.line + 1


def compose(text: str | bytes, loader: Any = LOADER) -> yaml.Node | None:
    """Return the root of the only document, None where there is none; as ``yaml.compose``.

    Args:
        text: The document.
        loader: A safe loader.

    Raises:
        OutOfBounds: It is nested too deep, its aliases repeat too much, or it contains itself.
        yaml.YAMLError: It is no YAML.
    """
    depth = 0
    for event in yaml.parse(text, Loader=loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEEPEST:
                raise OutOfBounds(f"nested deeper than {DEEPEST} levels", event.start_mark)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    node: yaml.Node | None = yaml.compose(text, Loader=loader)
    if node is not None:
        _unfolded(node, {})
    return node


def load(text: str | bytes) -> Any:
    """Return the plain value of the only document; as ``yaml.safe_load``.

    Raises:
        OutOfBounds: As above.
        yaml.YAMLError: It is no YAML.
    """
    compose(text)
    return yaml.load(text, Loader=LOADER)  # noqa: S506  a safe loader


def _unfolded(node: yaml.Node, sizes: dict[int, int]) -> int:
    """How many values a node stands for; ``sizes`` has those that were counted, 0 for those that are now."""
    known = sizes.get(id(node))
    if known == 0:
        raise OutOfBounds("a part of the file contains itself", node.start_mark)
    if known is not None:
        return known
    sizes[id(node)] = 0
    size = 1
    if not isinstance(node, yaml.ScalarNode):
        for child in node.value:
            for part in child if isinstance(child, tuple) else (child,):
                size += _unfolded(part, sizes)
    sizes[id(node)] = size
    if size > MOST_REPEATED + len(sizes):  # each value counts once however often it stands there
        raise OutOfBounds(f"its aliases expand to more than {MOST_REPEATED} values", node.start_mark)
    return size
