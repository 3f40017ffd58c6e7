"""Parts of a column: what a test counts and what an effect measures.

Most columns are one part. A text is its length and its words, an image its width, height, brightness and
contrast.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mlpipes_cli.monitoring.columns.cells import Cells


@dataclass(frozen=True, eq=False)
class NumberPart:
    """Numbers of both samples, the reference's first.

    Attributes:
        name: What the numbers are, such as ``length``; empty for the column itself.
        values: The numbers, of shape (rows,), NaN where missing.
        cells: Their cells.
        moves: Whether the numbers grow with time, as dates do.
    """

    name: str
    values: NDArray[np.float64]
    cells: Cells
    moves: bool = False


@dataclass(frozen=True, eq=False)
class LevelPart:
    """Levels of both samples, the reference's first.

    Attributes:
        name: What the levels are; empty for the column itself.
        names: Each level as text.
        levels: The level of each row, of shape (rows,), -1 where missing.
        cells: Their cells.
        of_cell: The level of each cell, -1 for a cell of several levels and for that of missing values.
    """

    name: str
    names: NDArray[np.object_]
    levels: NDArray[np.int64]
    cells: Cells
    of_cell: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class WordPart:
    """Which texts hold which words, of both samples, the reference's first.

    Attributes:
        words: The words.
        rows: The row of each occurrence; a word counts once a row.
        places: The word of each occurrence, of the same shape.
        number: Rows of both samples.
    """

    words: NDArray[np.object_]
    rows: NDArray[np.int64]
    word_indices: NDArray[np.int64]
    number: int
    name: str = "words"

    def held(self) -> NDArray[np.bool_]:
        """Return which rows hold which words, of shape (rows, words)."""
        flags = np.zeros((self.number, self.words.size), dtype=np.bool_)
        flags[self.rows, self.word_indices] = True
        return flags


Part = NumberPart | LevelPart | WordPart


@dataclass(frozen=True, eq=False)
class Column:
    """One column of both samples.

    Attributes:
        name: Its name.
        kind: What its values are.
        reference: Rows of the reference.
        parts: Its parts, the column itself first.
        wrong: Rows whose value is of another type, of shape (rows,); they count as missing.
        missing: Rows without a value, of the same shape.
    """

    name: str
    kind: str
    reference: int
    parts: tuple[Part, ...]
    wrong: NDArray[np.bool_]
    missing: NDArray[np.bool_] = field(repr=False)
