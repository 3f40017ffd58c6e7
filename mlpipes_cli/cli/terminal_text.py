"""Foreign text that a terminal shows and does not obey."""

from __future__ import annotations

import re

# Control characters but tab and line feed, marks that turn the direction of text, other line ends, and
# halves of a pair, which cannot be written.
_OTHERS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_COLOURS = re.compile(r"(\x1b\[[0-9;]{0,30}m)")


def printable(text: str) -> str:
    """The text with each character that would steer a terminal as ``\\x1b`` or ``\\u202e``.

    Tabs, line feeds and every letter stay.
    """
    return _OTHERS.sub(lambda found: _shown(found[0]), text)


def _shown(letter: str) -> str:
    code = ord(letter)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def printable_log(line: str) -> str:
    """The same, and what colours a line of a service's log stays."""
    parts = _COLOURS.split(line)
    return "".join(part if number % 2 else printable(part) for number, part in enumerate(parts))


def json_text(text: str) -> str:
    """A JSON document that says the same and has no such character: they stand in strings only."""
    return _OTHERS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
