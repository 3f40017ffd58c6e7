"""Which texts hold which frequent words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mlpipes_cli.monitoring.columns.parts import WordPart

MOST_WORDS = 60
_CHARACTERS = 2_000  # of a text that are read
_WORD = re.compile(r"\w+")


def word_part(texts: Sequence[str | None], sample: NDArray[np.int64]) -> WordPart | None:
    """Return the part of the most frequent words of both samples; None where texts share no word.

    Args:
        texts: The texts of both samples, None where missing.
        sample: Rows that decide which words are looked at.
    """
    counts: Counter[str] = Counter()
    for row in sample:
        counts.update(_words(texts[row]))
    frequent = [
        word for word, rows in sorted(counts.items(), key=lambda item: (-item[1], item[0])) if rows > 1
    ]
    words = frequent[:MOST_WORDS]
    if not words:
        return None
    index_of = {word: index for index, word in enumerate(words)}
    rows, indices = [], []
    for row, text in enumerate(texts):
        for word in _words(text):
            if (index := index_of.get(word)) is not None:
                rows.append(row)
                indices.append(index)
    return WordPart(np.array(words, dtype=object), np.array(rows), np.array(indices), len(texts))


def _words(text: str | None) -> set[str]:
    return set(_WORD.findall(text[:_CHARACTERS].lower())) if text else set()
