"""What several plots share: thinned curves, spans of axes, legends, short texts."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlpipes_cli.scoring.plot_canvas import Span
from mlpipes_cli.scoring.predictions import FloatArray

UNIT = Span(-0.02, 1.02, (0.0, 0.2, 0.4, 0.6, 0.8, 1.0))
_FARTHEST = 1e300  # matplotlib adds and subtracts the values that it shows
_ROUND = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)


def thinned(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Reduce a curve to 1,000 points, about a picture's columns; keep the first and the last."""
    keep = np.unique(np.linspace(0, len(x) - 1, min(len(x), 1000)).astype(np.int64))
    return x[keep], y[keep]


def up_to(score: float) -> Span:
    """Return the span from 0 to the next round number, equal for candidates with similar scores."""
    high = next((high for high in _ROUND if score <= high), 1.0)
    return Span(-0.02 * high, 1.02 * high, tuple(high * tick for tick in UNIT.ticks))


def around(values: FloatArray) -> Span:
    """Return a span over all finite values, with a margin."""
    seen = values[np.abs(values) < _FARTHEST]
    low, high = (float(seen.min()), float(seen.max())) if len(seen) else (0.0, 0.0)
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return Span(low - margin, high + margin)


def legend(axes: Any, location: str = "best") -> None:
    """Draw the legend of the labelled curves."""
    axes.legend(loc=location, fontsize=8, frameon=True, framealpha=0.85, edgecolor="none")


def short(text: str, most: int) -> str:
    """Shorten a text, and escape the character that matplotlib reads as mathematics."""
    text = text if len(text) <= most else f"{text[: most - 1]}…"
    return text.replace("$", r"\$")
