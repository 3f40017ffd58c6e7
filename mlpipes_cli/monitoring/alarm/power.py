"""The smallest change that a check would have found."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtri

from mlpipes_cli.monitoring.columns.parts import Column, LevelPart, NumberPart
from mlpipes_cli.monitoring.effects import measure_of, size_of
from mlpipes_cli.monitoring.results import Change
from mlpipes_cli.monitoring.wording import percent

POWER = 0.8


def detectable(
    column: Column, critical: float, tested: tuple[int, int], floor: float
) -> tuple[float, str] | None:
    """Return the smallest change found with 80 % power: its size on the scale of effects, and as words.

    Of numbers a shift, of levels the share of the most frequent one. The noncentral normal approximation
    at the critical value that the permutations gave, and as large as the floor asks for.

    Args:
        column: The column.
        critical: The statistic above which a column is significant.
        tested: Rows of the reference and current rows that the test used.
        floor: The smallest effect that matters.

    Returns:
        None where a column has no values to state anything of.
    """
    part = column.parts[0]
    rows = column.reference, column.missing.size - column.reference
    if min(rows) == 0:
        return None
    if isinstance(part, NumberPart):
        return _of_numbers(len(column.parts), critical, tested, rows, floor)
    return _of_levels(part, critical, tested, rows, floor) if isinstance(part, LevelPart) else None


def _of_numbers(
    parts: int, critical: float, tested: tuple[int, int], rows: tuple[int, int], floor: float
) -> tuple[float, str]:
    needed = _needed(critical + math.log(4 * parts))  # cells, chi-square, location, spread
    shift = _smallest("location", needed, 1.0, tested, rows, floor)
    return size_of("location", shift), f"a shift of {shift:.2g} standard deviations"


def _of_levels(
    part: LevelPart, critical: float, tested: tuple[int, int], rows: tuple[int, int], floor: float
) -> tuple[float, str] | None:
    shares = np.bincount(part.cells.codes, minlength=part.cells.number)[:-1] / part.cells.codes.size
    share = float(shares.max(initial=0.0))
    if share == 0:
        return None
    share = min(share, 1 - 1 / sum(rows))
    used = int((shares > 0).sum()) + 1
    needed = _needed(critical + math.log(2 * used))
    moved = min(_smallest("mix", needed, math.sqrt(share * (1 - share)), tested, rows, floor), 1.0)
    return size_of("mix", moved), f"a level's share moved by {100 * moved:.2g} points from {percent(share)}"


def _needed(surprise: float) -> float:
    """Return the standard errors that a change has to be away from none, for a p-value of exp(-surprise)."""
    critical = -ndtri(math.exp(-max(surprise, 0.0)) / 2)
    return float(critical + ndtri(POWER))


def _smallest(
    change: Change,
    needed: float,
    deviation: float,
    tested: tuple[int, int],
    rows: tuple[int, int],
    floor: float,
) -> float:
    by_test = needed * deviation * math.sqrt(1 / tested[0] + 1 / tested[1])
    error = deviation * math.sqrt(1 / rows[0] + 1 / rows[1])
    by_floor = math.hypot(measure_of(change, floor), error) + float(ndtri(POWER)) * error
    return max(by_test, by_floor)
