"""How many rows, or which groups, each part gets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

_EXACT_BITS = 64 * 2**23  # of the sums that an exact choice of groups may remember: 64 MiB


def largest_remainder(total: int, shares: Sequence[float]) -> list[int]:
    """Divide a number of rows by shares that sum to 1.

    Each part gets its share rounded down; the rows that are left go to the largest remainders, of equal ones
    to the first. (Hamilton's method.)
    """
    exact = [total * share for share in shares]
    parts = [math.floor(value + 1e-9) for value in exact]
    order = sorted(range(len(shares)), key=lambda at: (parts[at] - exact[at], at))
    for at in order[: total - sum(parts)]:
        parts[at] += 1
    return parts


def parts_of(total: int, validation: float, test: float) -> dict[str, int]:
    """Return the rows of each part, by its name."""
    numbers = largest_remainder(total, (1.0 - validation - test, validation, test))
    return dict(zip(("train", "validation", "test"), numbers, strict=True))


def over_strata(rows: Mapping[str, int], wanted: int, taken: Mapping[str, int]) -> dict[str, int]:
    """Divide the rows of a part among strata in proportion to their sizes, by largest remainder.

    Args:
        rows: The rows of each stratum.
        wanted: The rows of the part.
        taken: The rows of each stratum that another part has already.
    """
    total = sum(rows.values())
    names = sorted(rows)
    exact = {name: wanted * rows[name] / total for name in names}
    parts = {name: math.floor(exact[name] + 1e-9) for name in names}
    left = wanted - sum(parts.values())
    for name in sorted(names, key=lambda part: (parts[part] - exact[part], part)):
        if left > 0 and parts[name] + taken.get(name, 0) < rows[name]:
            parts[name] += 1
            left -= 1
    return parts


def choose_groups(groups: Sequence[tuple[str, int]], wanted: int) -> set[str]:
    """Choose groups whose rows come as near as possible to a number.

    Groups are taken in their order where they fit. If that misses the number, the best choice is computed
    exactly (subset sum by bits) where memory permits; else the single group that helps most is added.

    Args:
        groups: Names and rows, in a random order that is always the same.
        wanted: The number of rows.
    """
    taken: set[str] = set()
    left = wanted
    for name, rows in groups:
        if rows <= left:
            taken.add(name)
            left -= rows
    if left == 0:
        return taken
    if len(groups) * sum(rows for _, rows in groups) <= _EXACT_BITS:
        return _exact(groups, wanted)
    nearest = min(((abs(left - rows), name) for name, rows in groups if name not in taken), default=None)
    if nearest is not None and nearest[0] < left:
        taken.add(nearest[1])
    return taken


def _exact(groups: Sequence[tuple[str, int]], wanted: int) -> set[str]:
    """Return the groups whose sum is nearest to the number; of two sums equally near, the smaller."""
    reached = [1]  # bit n of the k-th: the first k groups have a choice of n rows
    for _, rows in groups:
        reached.append(reached[-1] | reached[-1] << rows)
    last = reached[-1]
    total = sum(rows for _, rows in groups)
    distance = 0
    while True:
        candidates = [n for n in (wanted - distance, wanted + distance) if 0 < n < total and last >> n & 1]
        if candidates or distance > total:
            break
        distance += 1
    if not candidates:
        return set()
    rest, taken = candidates[0], set()
    for position in range(len(groups) - 1, -1, -1):
        if not reached[position] >> rest & 1:
            name, rows = groups[position]
            taken.add(name)
            rest -= rows
    return taken
