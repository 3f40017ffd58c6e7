"""What a picture of a column needs: shares of both samples in cells, as JSON values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpipes_cli.monitoring.columns.parts import Column, LevelPart, NumberPart, Part

_BINS = 30
_MOST_LEVELS = 20


def shape_of(column: Column) -> dict[str, Any]:
    """Return what a picture of a column shows.

    Of numbers and dates ``{"edges": [...], "reference": [...], "current": [...]}``, with one edge more than
    shares, between the outermost half percent of both samples; the first and the last share hold all values
    beyond. Of levels ``{"levels": [...], "reference": [...], "current": [...]}``, the most frequent ones. A
    column of several parts has ``{"parts": {NAME: ...}}``.
    """
    shapes = {part.name: _part(part, column.reference) for part in column.parts}
    shapes = {name: shape for name, shape in shapes.items() if shape}
    if set(shapes) == {""}:
        return shapes[""]
    return {"parts": shapes} if shapes else {}


def _part(part: Part, reference: int) -> dict[str, Any]:
    if isinstance(part, NumberPart):
        return _numbers(part.values[:reference], part.values[reference:])
    if isinstance(part, LevelPart):
        return _levels(part, reference)
    return {}


def _numbers(before: NDArray[np.float64], now: NDArray[np.float64]) -> dict[str, Any]:
    sides = [side[np.isfinite(side)] for side in (before, now)]
    if not all(side.size for side in sides):
        return {}
    limits = [np.quantile(side[:: max(side.size // 20_000, 1)], [0.005, 0.995]) for side in sides]
    low, high = float(min(limits[0][0], limits[1][0])), float(max(limits[0][1], limits[1][1]))
    if not low < high or not math.isfinite(high - low):
        return {}
    edges = np.linspace(low, high, _BINS + 1)
    scale = _BINS / (high - low)
    shares = []
    for side in sides:
        bins = ((np.clip(side, low, high) - low) * scale).clip(0, _BINS - 1).astype(np.int64)
        shares.append(np.bincount(bins, minlength=_BINS) / side.size)
    return {
        "edges": [float(edge) for edge in edges],
        "reference": [round(float(share), 5) for share in shares[0]],
        "current": [round(float(share), 5) for share in shares[1]],
    }


def _levels(part: LevelPart, reference: int) -> dict[str, Any]:
    sides = [side[side >= 0] for side in (part.levels[:reference], part.levels[reference:])]
    shares = [np.bincount(side, minlength=part.names.size) / max(side.size, 1) for side in sides]
    order = np.argsort(-np.maximum(*shares), kind="stable")[:_MOST_LEVELS]
    return {
        "levels": [str(part.names[level]) for level in order],
        "reference": [round(float(shares[0][level]), 5) for level in order],
        "current": [round(float(shares[1][level]), 5) for level in order],
    }
