"""Faults of the data: what can be stated without asking what chance would give."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from mlpipes_cli.monitoring.columns.parts import Column, LevelPart, NumberPart
from mlpipes_cli.monitoring.results import QualityFinding
from mlpipes_cli.monitoring.wording import count, date, number, percent

Range = tuple[float | None, float | None]
_TYPES = {
    "number": "a number",
    "date": "a date",
    "image": "an image that can be decoded",
    "prediction": "a number",
    "score": "a number",
}
_UNLIKELY = 0.001  # the probability of so many values beyond the reference's by chance
_MORE_MISSING = 0.02


def quality_of(column: Column, limits: Range | None) -> list[QualityFinding]:
    """Return the faults of a column's current rows.

    Args:
        column: The column.
        limits: The range that training saw, either side None where open; None: the reference's.
    """
    rows = column.missing.size - column.reference
    if not rows:
        return []
    found = [_type(column, rows), _missing(column, rows), _constant(column, rows)]
    part = column.parts[0]
    if isinstance(part, LevelPart):
        found.append(_unseen(part, column.reference, rows))
    elif isinstance(part, NumberPart) and not part.name:
        found.append(_out_of_range(part, column.reference, rows, limits))
    return [finding for finding in found if finding is not None]


def _type(column: Column, rows: int) -> QualityFinding | None:
    wrong = int(column.wrong[column.reference :].sum())
    if not wrong:
        return None
    words = f"{count(wrong, 'value')} that {'is' if wrong == 1 else 'are'} not {_TYPES[column.kind]}"
    return QualityFinding("type", wrong, wrong / rows, words)


def _missing(column: Column, rows: int) -> QualityFinding | None:
    now = int(column.missing[column.reference :].sum())
    before = float(column.missing[: column.reference].mean()) if column.reference else 0.0
    share = now / rows
    more = share - before > max(_MORE_MISSING, 3 * math.sqrt(before * (1 - before) / rows))
    if not now or (before > 0 and not more):
        return None
    words = f"missing in {count(now, 'row')} ({percent(share)}), {percent(before)} in the reference"
    return QualityFinding("missing", now, share, words)


def _constant(column: Column, rows: int) -> QualityFinding | None:
    part = column.parts[0]
    if not isinstance(part, (NumberPart, LevelPart)) or part.name:
        return None
    values = part.values if isinstance(part, NumberPart) else part.levels.astype(np.float64)
    if isinstance(part, LevelPart):
        values[values < 0] = np.nan
    before, now = values[: column.reference], values[column.reference :]
    before, now = before[~np.isnan(before)], now[~np.isnan(now)]
    if now.size < 2 or before.size < 2 or (now != now[0]).any() or not (before != before[0]).any():
        return None
    return QualityFinding("constant", int(now.size), now.size / rows, "all values are the same")


def _unseen(part: LevelPart, reference: int, rows: int) -> QualityFinding | None:
    known = np.zeros(part.names.size + 1, dtype=np.bool_)
    known[part.levels[:reference]] = True
    known[-1] = True  # missing
    new = part.levels[reference:][~known[part.levels[reference:]]]
    if not new.size:
        return None
    levels = np.unique(new).size
    words = f"{count(int(new.size), 'row')} with {count(levels, 'level')} that the reference lacks"
    return QualityFinding("unseen", int(new.size), new.size / rows, words)


def _out_of_range(part: NumberPart, reference: int, rows: int, limits: Range | None) -> QualityFinding | None:
    before, now = part.values[:reference], part.values[reference:]
    before = before[~np.isnan(before)]
    if limits is None and not before.size:
        return None
    low, high = limits or _seen(part, before)
    low, high = (-math.inf if low is None else low), (math.inf if high is None else high)
    below, above = int((now < low).sum()), int((now > high).sum())
    if part.moves and above > rows / 2:  # time passes
        above = 0
    if limits is None and not part.moves:
        below, above = (_beyond_chance(number_of, before.size, rows) for number_of in (below, above))
    if not below + above:
        return None
    shown = date if part.moves else number
    words = f"{count(below + above, 'value')} outside of {shown(low)} to {shown(high)}"
    return QualityFinding("out_of_range", below + above, (below + above) / rows, words)


def _seen(part: NumberPart, before: NDArray[np.float64]) -> tuple[float, float]:
    low, high = float(before.min()), float(before.max())
    return (low, high + (high - low)) if part.moves else (low, high)  # dates move on: twice the span


def _beyond_chance(values: int, reference: int, rows: int) -> int:
    """Return the values beyond the reference's outermost, 0 where so many are no surprise.

    The outermost k of all rows are all current with probability (rows / (rows + reference)) ** k at most.
    """
    chance = values * math.log(rows / (rows + reference)) if values else 0.0
    return values if values and chance < math.log(_UNLIKELY) else 0


def absent(rows: int) -> QualityFinding:
    """Return the finding of a column that the current rows lack."""
    return QualityFinding("absent", rows, 1.0, "the column is absent")


def unexpected(rows: int) -> QualityFinding:
    """Return the finding of a column that the reference lacks."""
    return QualityFinding("unexpected", rows, 1.0, "the reference has no such column")
