"""YAML that remembers where each value stood, so that a mistake can be shown with its line."""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from mlpipes_cli.config import yaml_bounds
from mlpipes_cli.errors import ConfigError, UsageError

Location = tuple[int | str, ...]


_TAG = "tag:yaml.org,2002:"
_AMBIGUOUS = "!ambiguous"
_SIGNS_AND_DIGITS = list("-+.0123456789")
_WORDS = re.compile(r"(?:yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF)$")
_FLAGS = re.compile(r"(?:true|True|TRUE|false|False|FALSE)$")
_LEADING_ZERO = re.compile(r"[-+]?0(?:[0-9_]+|o[0-7_]+|b[01_]+)$")
_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]*|[1-9][0-9]{0,2}(?:_[0-9]{3})+|0x[0-9a-fA-F]+)$")
_FLOAT = re.compile(
    r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$|[-+]?[0-9]+[eE][-+]?[0-9]+$"
    r"|[-+]?\.(?:inf|Inf|INF)$|\.(?:nan|NaN|NAN)$"
)


class ComposeLoader(yaml_bounds.LOADER):  # type: ignore[misc]
    """A safe loader for Compose files: numbers with a leading zero are octal, ``22:22`` is a text."""


class _Loader(ComposeLoader):
    """A safe loader of values that mean the same in YAML 1.1 and 1.2; others have the tag ``!ambiguous``.

    ``1e-3`` is a number and ``12:30`` a text, as in YAML 1.2. An underscore is part of a number only between
    groups of three digits.
    """


class Dumper(yaml.SafeDumper):
    """Quotes the texts that :class:`_Loader` would read as something else."""


def _resolve_anew(loader: Any, kinds: dict[str, re.Pattern[str]]) -> None:
    """Replace the patterns of some kinds of plain values."""
    loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in found if tag.removeprefix(_TAG) not in kinds]
        for first, found in loader.yaml_implicit_resolvers.items()
    }
    for kind, pattern in kinds.items():
        loader.add_implicit_resolver(_TAG + kind, pattern, _SIGNS_AND_DIGITS)


_resolve_anew(ComposeLoader, {"int": re.compile(rf"(?:{_WHOLE.pattern}|[-+]?0[0-7]+$)"), "float": _FLOAT})
_resolve_anew(_Loader, {"int": _WHOLE, "float": _FLOAT})
Dumper.add_implicit_resolver(_TAG + "float", _FLOAT, _SIGNS_AND_DIGITS)
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag != _TAG + "bool"]
    for first, found in _Loader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    _TAG + "bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
for _kind in (_Loader, Dumper):
    _kind.add_implicit_resolver(_AMBIGUOUS, _LEADING_ZERO, list("-+0"))
    _kind.add_implicit_resolver(_AMBIGUOUS, _WORDS, list("yYnNoO"))


@dataclass(frozen=True)
class YamlSource:
    """A parsed YAML file.

    Attributes:
        name: How messages call the file.
        data: The plain Python value of the document.
        lines: The line (from 1) of each location, a tuple of keys and indices from the root.
    """

    name: str
    data: Any
    lines: dict[Location, int] = field(repr=False)

    def line(self, location: Location) -> int:
        """Return the line of the location, or of the nearest parent in the file."""
        while location and location not in self.lines:
            location = location[:-1]
        return self.lines.get(location, 1)

    def problem(self, location: Location, message: str) -> str:
        """``file:line: a -> b: message``, the form of every complaint about a file."""
        where = " -> ".join(str(part) for part in location)
        return f"{self.name}:{self.line(location)}: {where + ': ' if where else ''}{message}"


def read_yaml(path: Path, name: str | None = None, loader: Any = _Loader) -> YamlSource:
    """Read one YAML document whose root is a mapping.

    Args:
        path: The file.
        name: How messages call it; its path as given when left out.
        loader: :class:`ComposeLoader` for a Compose file.

    Raises:
        UsageError: The file is missing, unreadable or not UTF-8.
        ConfigError: The syntax is wrong, a key stands twice, a value has two meanings, or the root is
            no mapping.
    """
    name = name or str(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UsageError(f"{name}: no such file", "give the path of a YAML file") from None
    except IsADirectoryError:
        raise UsageError(f"{name}: is a folder", "give the path of a YAML file") from None
    except PermissionError:
        raise UsageError(f"{name}: permission denied", "check the file's mode") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{name}: not UTF-8 at byte {error.start}", "save it as UTF-8") from None
    except OSError as error:
        raise UsageError(f"{name}: {error.strerror}", "check the path") from None
    return parse_yaml(text, name, loader)


def dump_yaml(data: Any) -> str:
    """Plain values as YAML that :func:`read_yaml` reads as they are; keys in their order."""
    return str(yaml.dump(data, Dumper=Dumper, sort_keys=False, allow_unicode=True))


class _OneLine(Dumper):
    """Escapes the line breaks of texts."""


def _text_in_one_line(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = '"' if len(value.splitlines()) > 1 or value.endswith("\n") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_OneLine.add_representer(str, _text_in_one_line)


def dump_flow(value: Any) -> str:
    """Return plain values as YAML in one line."""
    made = yaml.dump(
        value, Dumper=_OneLine, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**9
    )
    return str(made).strip()


def parse_yaml(text: str, name: str, loader: Any = _Loader) -> YamlSource:
    """As :func:`read_yaml`, from text."""
    try:
        node = yaml_bounds.compose(text, loader)
    except yaml_bounds.OutOfBounds as error:
        raise ConfigError([f"{name}:{error.line}: YAML: {error.problem}"]) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        what = error.problem or error.context or "cannot be read"
        raise ConfigError([f"{name}:{line}: YAML syntax, column {column}: {what}"]) from None
    except yaml.YAMLError as error:
        raise ConfigError([f"{name}:1: YAML: {error}"]) from None
    if node is None:
        raise ConfigError([f"{name}:1: the file is empty"])
    if not isinstance(node, yaml.MappingNode):
        found = type(node).__name__.removesuffix("Node").lower()
        raise ConfigError([f"{name}:1: expected `key: value` lines, found a {found}"])
    lines: dict[Location, int] = {}
    problems: list[str] = []
    _index(node, (), lines, problems, name)
    if problems:
        raise ConfigError(problems)
    try:
        data = yaml.load(text, Loader=loader)  # noqa: S506 (a safe loader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError([f"{name}:{line}: YAML: {error.problem}"]) from None
    except ValueError as error:  # a date such as 2024-13-40
        raise ConfigError([f"{name}:1: YAML: {error}"]) from None
    return YamlSource(name, data, lines)


def _ambiguous(node: yaml.Node, location: Location, name: str) -> str:
    text = str(node.value)
    meaning = "true or false in YAML 1.1 and a text in YAML 1.2: write true or false"
    if _LEADING_ZERO.match(text):
        meaning = "not the same number in YAML 1.1 and 1.2: write a decimal number without the zero"
    where = " -> ".join(str(part) for part in location)
    line = node.start_mark.line + 1
    return f"{name}:{line}: {where}: {text} is {meaning}, or '{text}' for the text"


def _index(
    node: yaml.Node,
    location: Location,
    lines: dict[Location, int],
    problems: list[str],
    name: str,
) -> None:
    """Fill ``lines`` for the node and all below it; name keys that stand twice, and ambiguous values."""
    lines.setdefault(location, node.start_mark.line + 1)
    if node.tag == _AMBIGUOUS:
        problems.append(_ambiguous(node, location, name))
    if isinstance(node, yaml.SequenceNode):
        for position, child in enumerate(node.value):
            _index(child, (*location, position), lines, problems, name)
    if isinstance(node, yaml.MappingNode):
        seen: dict[Hashable, int] = {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else str(key_node.value)
            line = key_node.start_mark.line + 1
            if key in seen and key != "<<":
                where = " -> ".join(str(part) for part in (*location, key))
                problems.append(f"{name}:{line}: {where}: duplicate key, first on line {seen[key]}")
            elif key_node.tag == _AMBIGUOUS:
                problems.append(_ambiguous(key_node, (*location, key), name))
            seen.setdefault(key, line)
            lines[(*location, key)] = line
            if key != "<<":
                _index(value_node, (*location, key), lines, problems, name)
        _index_merged(node, location, lines, problems, name)


def _index_merged(
    node: yaml.MappingNode,
    location: Location,
    lines: dict[Location, int],
    problems: list[str],
    name: str,
) -> None:
    """Where the keys stand that ``<<`` brings in: own keys count before them, earlier ones before later."""
    depth = len(location) + 1
    own = {(*location, key_node.value) for key_node, _ in node.value if isinstance(key_node, yaml.ScalarNode)}
    for key_node, value_node in node.value:
        if key_node.value != "<<":
            continue
        merged = value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]
        for child in merged:
            found: dict[Location, int] = {}
            _index(child, location, found, problems, name)
            news = {where: line for where, line in found.items() if where[:depth] not in own}
            own.update(where for where in news if len(where) == depth)
            lines.update(news)
