"""Charts as SVG inside the page: two distributions laid over each other, and figures over time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_WIDTH, _HEIGHT = 300, 90
_WIDE, _HIGH = 720, 150


def overlaid(reference: Sequence[float], current: Sequence[float], label: str) -> str:
    """Return two histograms with the same bins: the reference as an area, the current rows as a line.

    Args:
        reference: Shares in the bins, in [0, 1].
        current: Shares in the same bins.
        label: What is shown, escaped; for those who do not see it.
    """
    most = max([*reference, *current], default=0.0) or 1.0
    area, line = (_steps([share / most for share in shares]) for shares in (reference, current))
    return (
        f'<svg class="overlaid" viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" role="img"'
        f' aria-label="{label}"><path class="reference" d="{area}z"/>'
        f'<path class="current" vector-effect="non-scaling-stroke" d="{line}"/></svg>'
    )


def _steps(heights: Sequence[float]) -> str:
    """Return a path along the tops of bins, from the floor and back to it; heights are from 0 to 1."""
    width = _WIDTH / max(len(heights), 1)
    tops = "".join(f"V{_HEIGHT - (_HEIGHT - 2) * height:.1f}h{width:.2f}" for height in heights)
    return f"M0 {_HEIGHT}{tops}V{_HEIGHT}"


@dataclass(frozen=True)
class Point:
    """A figure at a time.

    Attributes:
        at: Seconds since 1970.
        value: The figure.
        low: The lower end of its interval, if it has one.
        high: The upper end.
        alarm: Whether it is shown as an alarm.
        label: What the point says, escaped.
    """

    at: float
    value: float
    low: float | None = None
    high: float | None = None
    alarm: bool = False
    label: str = ""


@dataclass(frozen=True)
class Scale:
    """What the edges of a chart mean.

    Attributes:
        start: The time at the left edge, seconds since 1970.
        end: The time at the right edge.
        low: The figure at the bottom.
        high: The figure at the top.
    """

    start: float
    end: float
    low: float
    high: float

    @classmethod
    def of(
        cls, points: Sequence[Point], *, levels: Sequence[float] = (), floor: float | None = None
    ) -> Scale:
        """Return a scale on which all points, their intervals and ``levels`` have room."""
        figures = [
            figure
            for point in points
            for figure in (point.value, point.low, point.high)
            if figure is not None
        ]
        figures += levels
        low, high = min(figures), max(figures)
        room = 0.06 * (high - low) or 0.05 * (abs(high) or 1.0)
        low = floor if floor is not None else low - room
        start, end = min(point.at for point in points), max(point.at for point in points)
        half = 0.0 if end > start else 43_200.0  # a single moment stands in the middle of a day
        return cls(start - half, end + half, low, high + room)

    def across(self, at: float) -> float:
        """Return where a time is, from the left."""
        return 8 + (_WIDE - 16) * (at - self.start) / (self.end - self.start)

    def down(self, value: float) -> float:
        """Return where a figure is, from the top."""
        return _HIGH * (1 - (value - self.low) / (self.high - self.low))


def over_time(
    points: Sequence[Point],
    scale: Scale,
    label: str,
    *,
    level: float | None = None,
    marks: Sequence[tuple[float, str]] = (),
) -> str:
    """Return figures over time, with their intervals.

    Args:
        points: The figures, oldest first; at least one.
        scale: What the edges mean.
        label: What is shown, escaped; for those who do not see it.
        level: A figure to compare with, as a dashed line.
        marks: Times with a label each, escaped, as upright lines; those off the scale are left out.
    """
    inside = [(at, title) for at, title in marks if scale.start <= at <= scale.end]
    parts = [
        f'<path class="mark" d="M{scale.across(at):.1f} 0v{_HIGH}"><title>{title}</title></path>'
        for at, title in inside
    ]
    if level is not None and math.isfinite(level):
        parts.append(f'<path class="level" d="M0 {scale.down(level):.1f}h{_WIDE}"/>')
    parts += [_interval(point, scale) for point in points if point.low is not None and point.high is not None]
    line = "L".join(f"{scale.across(point.at):.1f} {scale.down(point.value):.1f}" for point in points)
    parts.append(f'<path class="current" d="M{line}"/>')
    parts += [
        f'<circle class="{"alarm" if point.alarm else "calm"}" cx="{scale.across(point.at):.1f}"'
        f' cy="{scale.down(point.value):.1f}" r="4"><title>{point.label}</title></circle>'
        for point in points
    ]
    return (
        f'<svg class="series" viewBox="0 0 {_WIDE} {_HIGH}" role="img" aria-label="{label}">'
        f"{''.join(parts)}</svg>"
    )


def _interval(point: Point, scale: Scale) -> str:
    assert point.low is not None and point.high is not None
    top, bottom = scale.down(point.high), scale.down(point.low)
    return f'<path class="interval" d="M{scale.across(point.at):.1f} {top:.1f}V{bottom:.1f}"/>'
