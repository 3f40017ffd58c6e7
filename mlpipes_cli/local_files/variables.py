"""``$NAME`` and ``${NAME}`` in addresses of our files, so that no secret stands in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from urllib.parse import quote

VARIABLE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")


def names(url: str) -> list[str]:
    """Return the names of the variables in an address."""
    return [found[1] or found[2] for found in VARIABLE.finditer(url)]


def filled(url: str, known: Mapping[str, str], missing: Callable[[str], None]) -> str:
    """Return an address with its variables replaced.

    Args:
        url: The address; a value in the login before ``@`` may have any character, so it is encoded.
        known: Variables by name.
        missing: Called with the name of each variable that is not set.
    """
    login = url.rfind("@")

    def value(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if not known.get(name):
            missing(name)
            return "missing"
        return quote(known[name], safe="") if found.start() < login else known[name]

    return VARIABLE.sub(value, url)
