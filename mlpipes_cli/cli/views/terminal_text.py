"""Make foreign text safe for a terminal."""

from __future__ import annotations

import re

# Control characters except tab and line feed, marks that change the direction of text, other line ends, and
# single surrogates, which cannot be written.
_OTHERS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_COLOURS = re.compile(r"(\x1b\[[0-9;]{0,30}m)")


def printable(text: str) -> str:
    """Return the text with each character that could control a terminal escaped as ``\\x1b`` or ``\\u202e``.

    Tabs, line feeds and all letters are kept.
    """
    return _OTHERS.sub(lambda found: _shown(found[0]), text)


def _shown(letter: str) -> str:
    code = ord(letter)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def printable_log(line: str) -> str:
    """Return the same for a line of a service's log, but keep its colour codes."""
    parts = _COLOURS.split(line)
    return "".join(part if number % 2 else printable(part) for number, part in enumerate(parts))


def json_text(text: str) -> str:
    """Return an equivalent JSON document without such characters: they can only occur in strings."""
    return _OTHERS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
