"""Values and numbers as text of the page; names and values of a source may hold anything."""

from __future__ import annotations

import html
import re
from typing import Any

LONGEST = 60  # characters of a value
LONGEST_HINT = 600

# Characters that a reader cannot see, that change the direction of the text, or that HTML does not allow.
_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


def plain(value: str, longest: int = LONGEST) -> str:
    """Return a value for HTML, with hidden characters as ``\\x1b`` or ``\\u202e``, cut if it is long."""
    shown = value if len(value) <= longest else f"{value[: longest - 1]}…"
    return html.escape(visible(shown))


def visible(value: str) -> str:
    """Return a value with hidden characters as ``\\x1b`` or ``\\u202e``."""
    return _HIDDEN.sub(_written, value)


def marked(hint: str) -> str:
    """Return a hint for HTML; what stands between backticks is code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", plain(hint, LONGEST_HINT))


def _written(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def number(value: Any) -> str:
    """Return a number with at least five digits; a date or a moment as it is."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, float) and (abs(value) >= 1e15 or (abs(value) < 1e5 and not value.is_integer())):
        return f"{value:.5g}"
    return f"{value:,.0f}"


def share(part: float, rows: float) -> str:
    """Return a share in percent; what is not nothing is not shown as 0 %, nor what is not all as 100 %."""
    if not rows or not part:
        return "0 %"
    percent = 100 * part / rows
    if percent < 0.1:
        return "< 0.1 %"
    if part != rows and percent >= 99.95:
        return "> 99.9 %"
    return f"{percent:.3g} %"
