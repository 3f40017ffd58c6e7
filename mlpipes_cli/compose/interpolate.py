"""Interpolate variables in a Compose file: ``$NAME``, ``${NAME}`` and the operators after the name.

===================  ==============================================================
``${NAME:-other}``   ``other`` if NAME is not set or empty (``-``: only if not set)
``${NAME:?reason}``  an error if NAME is not set or empty (``?``: only if not set)
``${NAME:+other}``   ``other`` if NAME is set and not empty (``+``: if it is set)
``$$``               a dollar sign
===================  ==============================================================

The text after the operator may contain variables itself; it is evaluated only if it is used. Unlike in
Compose, a variable that is not set and has no default is an error and not an empty text: it could be a
password, which would then be empty.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mlpipes_cli.config.yaml_source import Location, YamlSource

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_OPERATORS = (":-", ":?", ":+", "-", "?", "+")


class InterpolationError(ValueError):
    """A variable is missing or malformed; the message names it."""


def interpolate(text: str, variables: Mapping[str, str]) -> str:
    """Return the text with its variables replaced.

    Raises:
        InterpolationError: A required variable is not set, or the form is unknown.
    """
    parts: list[str] = []
    position = 0
    while (dollar := text.find("$", position)) >= 0:
        parts.append(text[position:dollar])
        value, position = _variable(text, dollar, variables)
        parts.append(value)
    return "".join((*parts, text[position:]))


def _variable(text: str, start: int, variables: Mapping[str, str]) -> tuple[str, int]:
    """Return the value of the variable that begins at ``start``, and the position after it."""
    rest = text[start + 1 : start + 2]
    if rest == "$":
        return "$", start + 2
    if rest == "{":
        end = _closing(text, start + 2)
        return _braced(text[start + 2 : end], variables), end + 1
    found = _NAME.match(text, start + 1)
    if not found:
        raise InterpolationError(f"a lone $ in {_excerpt(text, start)!r}; write $$ for a dollar sign")
    return _value(found[0], variables), found.end()


def _closing(text: str, start: int) -> int:
    """Return the position of the brace that closes the one just before ``start``."""
    depth = 1
    position = start
    while position < len(text):
        if text.startswith("$$", position):
            position += 2
            continue
        if text.startswith("${", position):
            depth += 1
            position += 2
            continue
        if text[position] == "}":
            depth -= 1
            if depth == 0:
                return position
        position += 1
    raise InterpolationError(f"{_excerpt(text, start - 2)!r} is not closed; add the missing }}")


def _braced(inside: str, variables: Mapping[str, str]) -> str:
    found = _NAME.match(inside)
    name = found[0] if found else ""
    rest = inside[len(name) :]
    if name and not rest:
        return _value(name, variables)
    operator = next((one for one in _OPERATORS if rest.startswith(one)), None)
    if not name or operator is None:
        raise InterpolationError(
            f"'${{{inside}}}' is not a valid variable; write ${{NAME}} or ${{NAME:-default}}"
        )
    value = variables.get(name)
    there = bool(value) if operator.startswith(":") else value is not None
    word = rest[len(operator) :]
    if operator.endswith("-"):
        return (value or "") if there else interpolate(word, variables)
    if operator.endswith("+"):
        return interpolate(word, variables) if there else ""
    if not there:
        reason = interpolate(word, variables)
        raise InterpolationError(f"variable {name} {reason or 'is not set'}")
    return value or ""


def _value(name: str, variables: Mapping[str, str]) -> str:
    if name not in variables:
        raise InterpolationError(f"variable {name} is not set and has no default")
    return variables[name]


def _excerpt(text: str, start: int) -> str:
    return text[start : start + 30].split("\n")[0]


def interpolate_document(source: YamlSource, variables: Mapping[str, str]) -> tuple[Any, dict[Location, str]]:
    """Return the document with the variables of all its texts replaced (keys stay as they are).

    Returns:
        The data, in which a text that could not be replaced is empty, and the errors by location.
    """
    problems: dict[Location, str] = {}

    def walk(value: Any, location: Location) -> Any:
        if isinstance(value, dict):
            return {key: walk(item, (*location, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [walk(item, (*location, position)) for position, item in enumerate(value)]
        if not isinstance(value, str) or "$" not in value:
            return value
        try:
            return interpolate(value, variables)
        except InterpolationError as error:
            problems[location] = str(error)
            return ""

    return walk(source.data, ()), problems
