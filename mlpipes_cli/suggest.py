"""Suggest the nearest known word in messages about an unknown word."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` for the nearest known word, or an empty string."""
    import difflib

    words = list(known)
    near = [candidate for candidate in words if candidate.casefold() == str(word).casefold()]
    near = near or difflib.get_close_matches(str(word), words, n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""
