"""A column of two tables as parts that are counted together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mlpipes_cli.monitoring.columns import values as of
from mlpipes_cli.monitoring.columns.cells import MOST_SORTED, level_cells, number_cells
from mlpipes_cli.monitoring.columns.parts import Column, LevelPart, NumberPart, Part
from mlpipes_cli.monitoring.columns.pictures import picture_parts
from mlpipes_cli.monitoring.columns.words import word_part
from mlpipes_cli.monitoring.results import Kind

if TYPE_CHECKING:
    import pandas as pd

MOST_CELLS = 40  # levels with a cell of their own
_AS_LEVELS = ("category", "boolean")


def read(name: str, kind: Kind, reference: pd.Series, current: pd.Series, rng: np.random.Generator) -> Column:
    """Return a column of both tables.

    Args:
        name: Its name.
        kind: What its values are.
        reference: Its values in the reference.
        current: Its values in the current rows.
        rng: Picks the rows that decide on limits between cells.
    """
    rows = len(reference) + len(current)
    sample = np.arange(rows) if rows <= MOST_SORTED else rng.choice(rows, MOST_SORTED, replace=False)
    missing = np.concatenate([side.isna().to_numpy(dtype=np.bool_) for side in (reference, current)])
    wrong = np.zeros(rows, dtype=np.bool_)
    if kind in ("prediction", "score"):
        kind_of_values: str = _of_prediction(reference)
    else:
        kind_of_values = kind
    parts: tuple[Part, ...]
    if kind_of_values in _AS_LEVELS:
        parts = (_levels("", reference, current),)
    elif kind_of_values == "text":
        parts = _text_parts(reference, current, missing, sample)
    elif kind_of_values == "image":
        parts, wrong = picture_parts(reference, current, missing, sample)
    else:
        read_as = of.as_seconds if kind_of_values == "date" else of.as_numbers
        sides = [read_as(side) for side in (reference, current)]
        numbers = np.concatenate([side[0] for side in sides])
        wrong = np.concatenate([side[1] for side in sides])
        moves = kind_of_values == "date"
        parts = (NumberPart("", numbers, number_cells(numbers, sample), moves),)
    return Column(name, kind, len(reference), parts, wrong, missing)


def _of_prediction(reference: pd.Series) -> str:
    from mlpipes_cli.monitoring.columns.kinds import kind_of

    kind = kind_of(reference)
    return kind if kind in ("number", "category", "boolean") else "category"


def _levels(name: str, reference: pd.Series, current: pd.Series) -> LevelPart:
    names, levels = of.together(reference, current)
    cells, of_cell = level_cells(levels, names.size, MOST_CELLS)
    return LevelPart(name, names, levels, cells, of_cell)


def _text_parts(
    reference: pd.Series, current: pd.Series, missing: NDArray[np.bool_], sample: NDArray[np.int64]
) -> tuple[Part, ...]:
    texts = [*reference.astype(object), *current.astype(object)]
    known = [None if gone else str(text) for text, gone in zip(texts, missing, strict=True)]
    lengths = np.array([np.nan if text is None else len(text) for text in known], dtype=np.float64)
    length = NumberPart("length", lengths, number_cells(lengths, sample))
    words = word_part(known, sample)
    return (length, words) if words is not None else (length,)
