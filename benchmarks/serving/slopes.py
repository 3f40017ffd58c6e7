"""Slopes of what is measured again and again, with the intervals that say whether they are any."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

RATIO = "p99, the aged over the new"
FLAT = {"RSS": 0.05, "p99": 0.20, "the server's p99": 0.20, RATIO: 0.20}  # growth over a run that is nothing


@dataclass(frozen=True)
class Slope:
    """A change an hour with its 95 % interval, and what it comes to over the run as a share."""

    name: str
    unit: str
    over: str
    middle: float
    low: float
    high: float
    median: float
    hours: float

    @property
    def verdict(self) -> str:
        bound = FLAT[self.name] * self.median
        if self.high * self.hours <= bound:
            return "flat"
        return "GROWS" if self.low * self.hours > 0 and self.middle * self.hours > bound else "not decided"

    def __str__(self) -> str:
        return (
            f"{self.name} {self.over}: median {self.median:.2f} {self.unit}, "
            f"slope {self.middle:+.2f} {self.unit} an hour "
            f"(95 % interval {self.low:+.2f} to {self.high:+.2f}), over the run at most "
            f"{100 * self.high * self.hours / self.median:+.1f} %: {self.verdict}"
        )


def slope(
    name: str,
    unit: str,
    values: Sequence[float],
    minutes: Sequence[float] | None = None,
    over: str = "over all minutes",
) -> Slope:
    """Of one value a minute; ``minutes`` says which, where some are left out."""
    from scipy.stats import theilslopes

    when = minutes or list(range(len(values)))
    found = theilslopes(values, [minute / 60 for minute in when], alpha=0.95)
    span = (when[-1] - when[0] + 1) / 60
    return Slope(name, unit, over, found[0], found[2], found[3], statistics.median(values), span)


def middle(values: Sequence[float]) -> tuple[float, float, float]:
    """The median and its 95 % interval, by order statistics (Conover 1999, section 3.2; n of 10 or more)."""
    ordered, n = sorted(values), len(values)
    half = 1.96 * n**0.5 / 2
    low, high = max(int(n / 2 - half), 0), min(int(n / 2 + half) + 1, n - 1)
    return statistics.median(ordered), ordered[low], ordered[high]
