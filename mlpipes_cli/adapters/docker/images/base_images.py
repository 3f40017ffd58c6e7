"""Find the base images of a Dockerfile, which its build arguments name.

``ARG PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:…`` before ``FROM ${PYTHON_IMAGE}`` pins a base image, and
lets a machine without a registry use the image of the same name instead (docs/adr/0007).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_ARGUMENT = re.compile(r"ARG\s+(\w+)(?:=(\S*))?", re.IGNORECASE)
_FROM = re.compile(r"FROM\s+(?:--platform=\S+\s+)?(\S+)", re.IGNORECASE)
_USED = re.compile(r"\$\{(\w+)\}|\$(\w+)")


def arguments(dockerfile: str) -> dict[str, str]:
    """Return the default build arguments before the first ``FROM``, by name, with variables replaced."""
    found: dict[str, str] = {}
    for line in dockerfile.splitlines():
        if _FROM.match(line):
            break
        if argument := _ARGUMENT.match(line):
            found[argument[1]] = filled(argument[2] or "", found)
    return found


def bases(dockerfile: str, given: Mapping[str, str]) -> dict[str, str]:
    """Return the images that ``FROM`` names by a build argument, by that argument.

    Args:
        dockerfile: The Dockerfile's text.
        given: Build arguments that override the defaults.

    Returns:
        ``name:tag`` or ``name:tag@sha256:…`` by argument.
    """
    values = {**arguments(dockerfile), **given}
    named = [found[1] for line in dockerfile.splitlines() if (found := _FROM.match(line))]
    used = [found[1] or found[2] for name in named if (found := _USED.fullmatch(name))]
    return {name: values[name] for name in used if values.get(name)}


def filled(text: str, values: Mapping[str, str]) -> str:
    """Return the text with ``${NAME}`` replaced; an unknown name becomes empty, as in Docker."""
    return _USED.sub(lambda found: values.get(found[1] or found[2], ""), text)
