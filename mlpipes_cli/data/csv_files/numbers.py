"""Parses numbers as people write them: ``3142.5``, ``3.142,5``, ``3'142.5``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

MOST = 0.95  # share of a column's values that have to be of a type for the others to count as strays
HALF = 0.5  # such a share if all others are one and the same word
_CLASS = {",": ",", ".": r"\.", " ": "[ \u00a0\u2009\u202f]", "'": "['\u2019]"}
LOOKS_LIKE_ONE = "^[+-]?[0-9.,'\u2019 \u00a0\u2009\u202f]+(?:[eE][+-]?[0-9]+)?$"  # a number in any style
MARKED = "[0-9][.,'\u2019 \u00a0\u2009\u202f][0-9]"  # the number contains a separator, whatever it means
_GROUPS = r"^[+-]?[1-9]\d{0,2}[.,]\d{3}$"  # a fraction of three digits, or thousands
EXACT = 2**53  # whole numbers up to here are exact as float64


@dataclass(frozen=True)
class Style:
    """A style of writing numbers.

    Attributes:
        decimal: The decimal mark.
        thousands: The thousands separator, if any.
    """

    decimal: str = "."
    thousands: str | None = None

    @property
    def words(self) -> str:
        """The style in words, for messages."""
        names = {",": "comma", ".": "point", " ": "space", "'": "apostrophe"}
        apart = f", thousands {names[self.thousands]}" if self.thousands else ""
        return f"decimal {names[self.decimal]}{apart}"


@dataclass(frozen=True)
class InferredStyle:
    """The number style that a table shows.

    Attributes:
        style: The inferred style.
        sure: Whether no other style reads the numbers.
        column: The position of a column with an ambiguous number.
        example: That number.
    """

    style: Style
    sure: bool = True
    column: int = 0
    example: str = ""


PLAIN = Style()
# the simplest first: the first of several that fit is chosen
STYLES = (
    PLAIN, Style(","), Style(".", ","), Style(",", "."), Style(",", " "), Style(".", " "), Style(".", "'"),
    Style(",", "'"),
)  # fmt: skip


@cache
def pattern(style: Style) -> str:
    """Return the regular expression (RE2) of a number of this style, without surrounding whitespace."""
    whole, point = r"\d+", _CLASS[style.decimal]
    if style.thousands:
        whole = rf"(?:[1-9]\d{{0,2}}(?:{_CLASS[style.thousands]}\d{{3}})+|\d+)"
    return rf"^[+-]?(?:(?:{whole}(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d+)?|(?i:inf|infinity))$"


def matches(texts: pa.Array, regex: str) -> np.ndarray:
    """Return (n,) booleans: whether each text matches; a missing text matches nothing."""
    found = pc.fill_null(pc.match_substring_regex(texts, regex), False)
    return np.asarray(found.to_numpy(zero_copy_only=False))


def plain(texts: pa.Array, style: Style) -> pa.Array:
    """Rewrite numbers with a decimal point and no thousands separator."""
    if style.thousands:
        texts = pc.replace_substring_regex(texts, _CLASS[style.thousands], "")
    return texts if style.decimal == "." else pc.replace_substring(texts, ",", ".")


def floats(texts: pa.Array) -> np.ndarray:
    """Convert numbers of :func:`plain` to the nearest floats, (n,) float64; missing texts become NaN."""
    return np.asarray(pc.cast(texts, pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)


def infer(
    columns: Sequence[pa.Array],
    separator: str,
    decimal: str | None = None,
    thousands: str | None = None,
    hint: Style | None = None,
    least: float = MOST,
) -> InferredStyle:
    """Return the style that reads the most numbers of a table, and whether another one reads as many.

    Args:
        columns: Trimmed texts; those that are not numbers do not count.
        separator: The file's field separator. If ``1,234`` is ambiguous, the comma is the decimal mark in a
            file whose fields are separated by semicolons, as such files usually are; else it separates
            thousands.
        decimal: Consider only styles with this decimal mark.
        thousands: Consider only styles with this thousands separator.
        hint: The likely style; chosen if it reads as many numbers as the best.
        least: The share of a column's values that have to be numbers for it to count.
    """
    styles = [
        style for style in STYLES if decimal in (None, style.decimal) and thousands in (None, style.thousands)
    ] or [Style(decimal or _other(thousands), thousands)]
    lengths = [len(column) for column in columns]
    texts = pa.chunked_array([pc.cast(c, pa.large_string()) for c in columns], pa.large_string())
    whose = np.repeat(np.arange(len(lengths)), lengths)
    present = np.bincount(whose[np.asarray(pc.is_valid(texts))], minlength=len(lengths))
    hits = {s: np.bincount(whose[matches(texts, pattern(s))], minlength=len(lengths)) for s in styles}
    best = np.max(list(hits.values()), axis=0)
    numeric = (best >= least * present) & (best > 0)
    if not numeric.any():
        return InferredStyle(hint or styles[0])
    score = {style: int(hits[style][numeric].sum()) for style in styles}
    fitting = [style for style in styles if score[style] == max(score.values())]
    if PLAIN in fitting and separator == ",":  # a number with a comma would need quotes in such a file
        return InferredStyle(PLAIN)
    if hint in fitting:
        return InferredStyle(hint or PLAIN)
    return _chosen(fitting, texts, whose, numeric, separator, hint)


def _other(thousands: str | None) -> str:
    return "," if thousands == "." else "."


def _chosen(
    fitting: list[Style],
    texts: Any,
    whose: np.ndarray,
    numeric: np.ndarray,
    separator: str,
    hint: Style | None,
) -> InferredStyle:
    first = fitting[0]
    readings = (PLAIN, Style(",", ".")) if first == PLAIN else (Style(","), Style(".", ","))
    if not set(readings) <= set(fitting) or (first == PLAIN and separator == ","):
        return InferredStyle(first)
    at = np.flatnonzero(matches(texts, _GROUPS) & numeric[whose])
    if not len(at):
        return InferredStyle(first)
    if hint not in (None, PLAIN):
        return InferredStyle(next(style for style in readings if style.decimal == (hint or PLAIN).decimal))
    style = Style(".", ",") if first != PLAIN and separator != ";" else first
    return InferredStyle(style, sure=False, column=int(whose[at[0]]), example=str(texts[int(at[0])].as_py()))
