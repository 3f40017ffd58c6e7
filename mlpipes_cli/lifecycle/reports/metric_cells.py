"""Format metrics for the cells of a table."""

from __future__ import annotations

from collections.abc import Mapping


def number(value: float | None) -> str:
    """Format a number with four decimals, or six digits if it is large."""
    if value is None:
        return ""
    text = f"{value:.4f}" if abs(value) < 1000 else f"{value:.6g}"
    return "0.0000" if text == "-0.0000" else text


def interval(intervals: Mapping[str, tuple[float, float] | None], metric: str) -> str:
    """Format both ends of an interval, or "too few rows"; return an empty text if the metric is missing."""
    if metric not in intervals:
        return ""
    ends = intervals[metric]
    return "too few rows" if ends is None else f"{number(ends[0])} to {number(ends[1])}"
