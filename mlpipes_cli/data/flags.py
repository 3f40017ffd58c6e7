"""Words for true and false, in CSV cells and in columns that are declared to hold them."""

from __future__ import annotations

from collections.abc import Collection

PAIRS = (
    ("true", "false"), ("1", "0"), ("t", "f"), ("yes", "no"), ("y", "n"), ("on", "off"), ("ja", "nein"),
    ("j", "n"), ("oui", "non"), ("si", "no"), ("sí", "no"), ("sì", "no"),
)  # fmt: skip
TRUE = frozenset(yes for yes, _ in PAIRS)
FALSE = frozenset(no for _, no in PAIRS)
TRUTHS = dict.fromkeys(TRUE, True) | dict.fromkeys(FALSE, False)
_PLAIN = {"true", "false", "1", "0"}


def named(words: Collection[str]) -> str:
    """Return how words other than ``true``, ``false``, 1 and 0 are read, for a message."""
    return ", ".join(
        f"{word!r} as {str(TRUTHS[word.lower()]).lower()}"
        for word in sorted(words)
        if word.lower() in TRUTHS and word.lower() not in _PLAIN
    )
