"""The hypotheses of a check: one for each column, and one for all pairs of columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlpipes_cli.monitoring.alarm.joint import Pairs
from mlpipes_cli.monitoring.alarm.permutation import Tested, permutation_test
from mlpipes_cli.monitoring.alarm.statistics import Totals, statistic
from mlpipes_cli.monitoring.alarm.units import Units, make_units
from mlpipes_cli.monitoring.columns.parts import Column, NumberPart, Part, WordPart

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Alarm:
    """What the test of a check says.

    Attributes:
        tested: Statistics and adjusted p-values: the columns in order, then the pairs if they were tested.
        units: The units that were exchanged.
    """

    tested: Tested
    units: Units

    @property
    def rows(self) -> tuple[int, int]:
        """Rows of the reference and current rows that the test used."""
        first = self.units.first * self.units.size
        second = (self.units.number - self.units.first) * self.units.size
        return (second, first) if self.units.current_first else (first, second)


def test_columns(
    columns: Sequence[Column], current: int, pairs: Pairs | None, alpha: float, rng: np.random.Generator
) -> Alarm:
    """Test all columns, and all pairs of them, at one level.

    Args:
        columns: The columns, at least one.
        current: Current rows.
        pairs: The features whose correlations are compared; None for columns alone.
        alpha: The probability of any false alarm.
        rng: The source of randomness.
    """
    widths = [[_width(part) for part in column.parts] for column in columns]
    figures = sum(map(sum, widths)) + (pairs.figures if pairs else 0)
    units = make_units(columns[0].reference, current, figures, rng)
    blocks = [_figures(part, units) for column in columns for part in column.parts]
    if pairs is not None:
        blocks.append(pairs.sums(units))
    table = np.concatenate(blocks, axis=1)
    sums = table.sum(axis=0, dtype=np.float64)
    first, rows = units.first * units.size, units.number * units.size
    layout, start = [], 0
    for column, sizes in zip(columns, widths, strict=True):
        parts = []
        for part, width in zip(column.parts, sizes, strict=True):
            parts.append((start, start + width, _totals(part, sums[start : start + width], first, rows)))
            start += width
        layout.append(parts)

    def statistics(observed: Floats) -> Floats:
        found = [
            np.maximum.reduce([statistic(observed[:, begin:end], totals) for begin, end, totals in parts])
            - np.log(len(parts))
            for parts in layout
        ]
        if pairs is not None:
            found.append(pairs.statistic(observed[:, start:], sums[start:], first, rows))
        return np.column_stack(found)

    return Alarm(permutation_test(table, units, statistics, alpha, rng), units)


def _width(part: Part) -> int:
    return part.words.size if isinstance(part, WordPart) else part.cells.number


def _figures(part: Part, units: Units) -> NDArray[np.float32]:
    if not isinstance(part, WordPart):
        return units.counts(part.cells.codes, part.cells.number)
    unit_of = np.full(part.number, -1, dtype=np.int64)
    unit_of[units.rows] = np.arange(units.number)[:, None]
    used = unit_of[part.rows] >= 0
    width = part.words.size
    flat = unit_of[part.rows[used]] * width + part.word_indices[used]
    return np.bincount(flat, minlength=units.number * width).reshape(units.number, width).astype(np.float32)


def _totals(part: Part, counts: Floats, first: int, rows: int) -> Totals:
    if isinstance(part, WordPart):
        return Totals(counts, first, rows, exclusive=False)
    scores = part.cells.scores if isinstance(part, NumberPart) else None
    return Totals(counts, first, rows, scores)
