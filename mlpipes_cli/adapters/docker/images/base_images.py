"""The images that a Dockerfile builds on, as its build arguments name them.

``ARG PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:…`` before ``FROM ${PYTHON_IMAGE}`` pins a base image, and
lets a machine without a registry put the image of the same name in its place (docs/adr/0166).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_ARGUMENT = re.compile(r"ARG\s+(\w+)(?:=(\S*))?", re.IGNORECASE)
_FROM = re.compile(r"FROM\s+(?:--platform=\S+\s+)?(\S+)", re.IGNORECASE)
_USED = re.compile(r"\$\{(\w+)\}|\$(\w+)")


def arguments(dockerfile: str) -> dict[str, str]:
    """The defaults of the build arguments before the first ``FROM``, by name, with those inside filled in."""
    found: dict[str, str] = {}
    for line in dockerfile.splitlines():
        if _FROM.match(line):
            break
        if argument := _ARGUMENT.match(line):
            found[argument[1]] = filled(argument[2] or "", found)
    return found


def bases(dockerfile: str, given: Mapping[str, str]) -> dict[str, str]:
    """The images that ``FROM`` names by a build argument of its own, by that argument.

    Args:
        dockerfile: Its text.
        given: Build arguments in place of the defaults.

    Returns:
        ``name:tag`` or ``name:tag@sha256:…`` by argument.
    """
    values = {**arguments(dockerfile), **given}
    named = [found[1] for line in dockerfile.splitlines() if (found := _FROM.match(line))]
    used = [found[1] or found[2] for name in named if (found := _USED.fullmatch(name))]
    return {name: values[name] for name in used if values.get(name)}


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with ``${NAME}`` replaced; what is not known is empty, as Docker does it."""
    return _USED.sub(lambda found: values.get(found[1] or found[2], ""), text)
