"""What stands in a cell of a table about metrics."""

from __future__ import annotations

from collections.abc import Mapping


def number(value: float | None) -> str:
    """Four decimals, or six digits of a large number."""
    if value is None:
        return ""
    text = f"{value:.4f}" if abs(value) < 1000 else f"{value:.6g}"
    return "0.0000" if text == "-0.0000" else text


def interval(intervals: Mapping[str, tuple[float, float] | None], metric: str) -> str:
    """Both ends, or that there are too few rows; nothing where the metric is not there."""
    if metric not in intervals:
        return ""
    ends = intervals[metric]
    return "too few rows" if ends is None else f"{number(ends[0])} to {number(ends[1])}"
