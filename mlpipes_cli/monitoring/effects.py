"""How large a change is: by kind of change, on one scale from 0 to 1.

Each kind has its own measure x, and a unit u: the change that is worth 0.1. The size is
``1 - 0.9 ** (x / u)``, so twice the unit is 0.19, ten units are 0.65. What chance alone gives at these
numbers of rows is taken off first: ``x = sqrt(max(0, measured ** 2 - error ** 2))``, and of a total variation
its expectation. docs/adr/0023 has the reasons for the units.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mlpipes_cli.monitoring.columns.parts import Column, LevelPart, NumberPart, WordPart
from mlpipes_cli.monitoring.results import Change, Effect
from mlpipes_cli.monitoring.wording import date, number, percent

Floats = NDArray[np.float64]
UNITS: dict[Change, float] = {
    "location": 0.08,  # standard deviations of the normal scores
    "spread": 0.1,  # the logarithm of the ratio of standard deviations of the normal scores
    "tail": 0.01,  # the share of rows beyond the reference's outermost 0.5 % of a side
    "mix": 0.035,  # the total variation between the shares of cells or levels
    "unseen": 0.01,  # the share of rows with a level that the reference lacks
    "missing": 0.02,  # the share of rows without a value
    "zeros": 0.035,  # the share of zeros
}
_TAIL = 0.005
_ZEROS = 0.05  # a share of zeros that makes them a matter of their own
_LOOKED_AT = 20_000  # rows of a sample that a median is computed from


def size_of(change: Change, measured: float, error: float = 0.0) -> float:
    """Return a change on the scale from 0 to 1, less what chance gives.

    Args:
        change: The kind of change.
        measured: Its measure, in the unit that `UNITS` names.
        error: The standard error of the measure if nothing changed.
    """
    if not math.isfinite(measured):
        return 1.0
    beyond = math.sqrt(max(measured**2 - error**2, 0.0))
    return float(1 - 0.9 ** (beyond / UNITS[change]))


def measure_of(change: Change, size: float) -> float:
    """Return the measure of a change whose size on the scale is given: the inverse of `size_of`."""
    return UNITS[change] * math.log(max(1 - size, 1e-12)) / math.log(0.9)


def share_error(share: float, reference: int, current: int) -> float:
    """Return the standard error of the difference of two shares of this size."""
    return math.sqrt(max(share * (1 - share), 0.0) * (1 / reference + 1 / current))


def effects_of(column: Column) -> list[Effect]:
    """Return the effect of each kind of change that applies to a column, the largest first."""
    found = [_missing(column)]
    for part in column.parts:
        if isinstance(part, NumberPart):
            found += _of_numbers(part, column.reference)
        elif isinstance(part, LevelPart):
            found += _of_levels(part, column.reference)
        else:
            found += _of_words(part, column.reference)
    return sorted(found, key=lambda effect: -effect.size)


def _shares(codes: NDArray[np.int16], cells: int, reference: int) -> tuple[Floats, Floats]:
    """Return the share of each cell but that of missing values, in the reference and in the current rows."""
    sides = []
    for side in (codes[:reference], codes[reference:]):
        counts = np.bincount(side, minlength=cells)[: cells - 1].astype(np.float64)
        sides.append(counts / max(counts.sum(), 1))
    return sides[0], sides[1]


def _missing(column: Column) -> Effect:
    gone = column.missing | column.wrong
    sides = gone[: column.reference], gone[column.reference :]
    before, now = (float(side.mean()) for side in sides)
    error = share_error(float(gone.mean()), sides[0].size, sides[1].size)
    words = f"missing {percent(before)} -> {percent(now)}"
    return Effect("missing", size_of("missing", abs(now - before), error), before, now, words)


def _of_numbers(part: NumberPart, reference: int) -> list[Effect]:
    sides = [side[~np.isnan(side)] for side in (part.values[:reference], part.values[reference:])]
    if not all(side.size for side in sides):
        return []
    before, now = sides
    found = [_location(part, reference, before, now), _tail(part, before, now)]
    if part.moves:
        return found
    found.append(_spread(part, reference, before, now))
    zeros = [float((side == 0).mean()) for side in sides]
    if max(zeros) >= _ZEROS:
        error = share_error(_pooled(zeros, sides), before.size, now.size)
        words = _named(part, f"zeros {percent(zeros[0])} -> {percent(zeros[1])}")
        size = size_of("zeros", abs(zeros[1] - zeros[0]), error)
        found.append(Effect("zeros", size, zeros[0], zeros[1], words))
    known = max(effect.size for effect in found)
    return [*found, _cells(part, reference, before, now, known)]


def _named(part: NumberPart, words: str) -> str:
    return f"{part.name}: {words}" if part.name else words


def _pooled(shares: Sequence[float], sides: Sequence[Floats]) -> float:
    return float(np.average(shares, weights=[side.size for side in sides]))


def _moments(part: NumberPart, reference: int) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of the normal scores, of the reference and of the current rows."""
    shares = np.stack(_shares(part.cells.codes, part.cells.number, reference))
    assert part.cells.scores is not None
    scores = part.cells.scores[:-1]
    mean = shares @ scores
    return mean, np.sqrt(np.maximum(shares @ scores**2 - mean**2, 0))


def _location(part: NumberPart, reference: int, before: Floats, now: Floats) -> Effect:
    mean, deviation = _moments(part, reference)
    shift, scale = float(mean[1] - mean[0]), float(np.sqrt((deviation**2).mean()))
    measured = abs(shift) / scale if scale > 1e-9 else (math.inf if abs(shift) > 1e-9 else 0.0)
    size = size_of("location", measured, math.sqrt(1 / before.size + 1 / now.size))
    if part.moves and shift > 0:
        size = 0.0  # time passes
    middle = [_median(side) for side in (before, now)]
    what = "median"
    if not part.moves and middle[0] == middle[1]:
        middle, what = [_mean(side) for side in (before, now)], "mean"
    shown = date if part.moves else number
    words = _named(part, f"{what} {shown(middle[0])} -> {shown(middle[1])}")
    return Effect("location", size, middle[0], middle[1], words)


def _median(values: Floats) -> float:
    step = max(values.size // _LOOKED_AT, 1)
    return float(np.median(values[::step]))


def _mean(values: Floats) -> float:
    finite = values[np.isfinite(values)]
    return float(np.mean(finite / finite.size, dtype=np.float64) * finite.size) if finite.size else math.nan


def _spread(part: NumberPart, reference: int, before: Floats, now: Floats) -> Effect:
    _, deviation = _moments(part, reference)
    if deviation.min() > 1e-9:
        measured = abs(math.log(deviation[1] / deviation[0]))
    else:
        measured = math.inf if deviation.max() > 1e-9 else 0.0
    size = size_of("spread", measured, math.sqrt(0.5 / before.size + 0.5 / now.size))
    ranges = [_middle_half(side) for side in (before, now)]
    words = _named(part, f"middle half of the values {number(ranges[0])} -> {number(ranges[1])} wide")
    return Effect("spread", size, ranges[0], ranges[1], words)


def _middle_half(values: Floats) -> float:
    step = max(values.size // _LOOKED_AT, 1)
    with np.errstate(invalid="ignore", over="ignore"):
        low, high = np.quantile(values[::step], [0.25, 0.75], method="lower")
        return float(high - low)


def _tail(part: NumberPart, before: Floats, now: Floats) -> Effect:
    low, high = np.quantile(before, [_TAIL, 1 - _TAIL], method="closest_observation")
    sides = [(before < low, now < low, "below", low), (before > high, now > high, "above", high)]
    if part.moves:
        sides = sides[:1]
    most: Effect | None = None
    for old, new, word, limit in sides:
        shares = [float(old.mean()), float(new.mean())]
        error = share_error(_pooled(shares, (before, now)), before.size, now.size)
        size = size_of("tail", max(shares[1] - shares[0], 0.0), error)
        at = date(limit) if part.moves else number(limit)
        words = _named(part, f"{word} {at}: {percent(shares[0])} -> {percent(shares[1])} of the rows")
        if most is None or size > most.size:
            most = Effect("tail", size, shares[0], shares[1], words)
    assert most is not None
    return most


def _cells(part: NumberPart, reference: int, before: Floats, now: Floats, known: float) -> Effect:
    """Return how many values lie elsewhere: behind the effects that say how, where those explain half."""
    shares = _shares(part.cells.codes, part.cells.number, reference)
    size = _variation(shares, before.size, now.size)
    if known >= size / 2:
        size = min(size, known)
    moved = float(np.abs(shares[0] - shares[1]).sum() / 2)
    return Effect("mix", size, None, moved, _named(part, f"{percent(moved)} of the values lie elsewhere"))


def _variation(shares: tuple[Floats, Floats], before: int, now: int) -> float:
    """Return the size of the total variation between two samples' shares, less what chance gives."""
    measured = float(np.abs(shares[0] - shares[1]).sum() / 2)
    pooled = (shares[0] * before + shares[1] * now) / (before + now)
    errors = np.sqrt(pooled * (1 - pooled) * (1 / before + 1 / now))
    expected = float(errors.sum() / math.sqrt(2 * math.pi))  # of a sum of absolute normal deviations
    return size_of("mix", max(measured - expected, 0.0))


def _of_levels(part: LevelPart, reference: int) -> list[Effect]:
    number_of = part.names.size
    sides = [side[side >= 0] for side in (part.levels[:reference], part.levels[reference:])]
    if not all(side.size for side in sides):
        return []
    counts = [np.bincount(side, minlength=number_of) for side in sides]
    shares = _shares(part.cells.codes, part.cells.number, reference)
    size = _variation(shares, sides[0].size, sides[1].size)
    level_shares = [count / count.sum() for count in counts]
    moved = int(np.argmax(np.abs(level_shares[1] - level_shares[0])))
    before, now = (float(share[moved]) for share in level_shares)
    words = f"{part.names[moved]!r} {percent(before)} -> {percent(now)}"
    found = [Effect("mix", size, before, now, words)]
    new = (counts[0] == 0) & (counts[1] > 0)
    unseen = float(counts[1][new].sum() / sides[1].size)
    expected = float((counts[0] == 1).sum() / sides[0].size)  # by chance: Good and Turing
    error = share_error(min(unseen, 0.5), sides[0].size, sides[1].size) if unseen else 0.0
    if new.any():
        most = part.names[int(np.argmax(np.where(new, counts[1], 0)))]
        words = f"{percent(unseen)} have a level that the reference lacks, most often {most!r}"
        size = size_of("unseen", max(unseen - expected, 0.0), error)
        found.append(Effect("unseen", size, 0.0, unseen, words))
    return found


def _of_words(part: WordPart, reference: int) -> list[Effect]:
    current = part.number - reference
    early = part.rows < reference
    counts = [
        np.bincount(part.word_indices[side], minlength=part.words.size) / rows
        for side, rows in ((early, reference), (~early, current))
    ]
    errors = [share_error(float(share), reference, current) for share in (counts[0] + counts[1]) / 2]
    sizes = [
        size_of("mix", abs(float(new - old)), error) for old, new, error in zip(*counts, errors, strict=True)
    ]
    most = int(np.argmax(sizes))
    before, now = (float(share[most]) for share in counts)
    words = f"the word {part.words[most]!r} in {percent(before)} -> {percent(now)} of the texts"
    return [Effect("mix", sizes[most], before, now, words)]
