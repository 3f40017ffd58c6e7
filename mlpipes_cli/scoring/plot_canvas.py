"""The canvas for plots: off screen, and without matplotlib's global state.

Drawing a plot's frame (ticks, tick labels, axis labels) takes most of the time. The plots of all candidates
of an experiment have the same few frames, so each frame is drawn once and kept as a picture.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.image import imsave
from matplotlib.ticker import AutoLocator, ScalarFormatter
from matplotlib.transforms import blended_transform_factory

TICKS = 8  # points, the font size of tick labels
# The font's box replaces each missing glyph; matplotlib's warning for each is no help.
warnings.filterwarnings("ignore", message=r"Glyph .* missing from", category=UserWarning)
_SIZE, _DPI = (5.6, 4.2), 100
_MOST_KEPT = 12  # frames, of 0.9 MB each
_MOST_ACROSS = 4  # horizontal tick labels; more are drawn at an angle


@dataclass(frozen=True)
class Span:
    """The range and the ticks of an axis.

    Attributes:
        low: The lower end.
        high: The upper end.
        ticks: Positions of the ticks; if empty, matplotlib chooses them.
        names: Labels of the ticks, instead of their numbers.
    """

    low: float
    high: float
    ticks: tuple[float, ...] = ()
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Frame:
    """The parts of a plot that do not depend on a candidate.

    Attributes:
        title: The title above the plot.
        x_label: The label of the x axis.
        y_label: The label of the y axis.
        x: The x axis.
        y: The y axis.
        grid: Whether to draw grid lines.
    """

    title: str
    x_label: str
    y_label: str
    x: Span
    y: Span
    grid: bool = True


class Canvas:
    """A reusable figure."""

    def __init__(self) -> None:
        self._figure, self._axes, self._heading = blank()
        self._kept: dict[Frame, Any] = {}

    def picture(self, frame: Frame, heading: str, plot: Callable[[Any], None]) -> bytes:
        """Let ``plot`` draw on matplotlib's axes in a frame, under a heading; return the PNG."""
        self._lay(frame)
        axes = self._axes
        with emptied(axes):
            plot(axes)
            self._heading.set_text(heading)
            for artist in (*_plotted(axes), self._heading):
                artist.draw(self._figure.canvas.get_renderer())
            return png(self._figure)

    def _lay(self, frame: Frame) -> None:
        """Draw the empty frame on the figure."""
        axes, names = self._axes, frame.y.names
        widest = widest_of(names)
        if names:
            aslant = 0.5 * widest if len(names) > _MOST_ACROSS else 0.0
            margins(self._figure, left=widest + 0.45, bottom=0.5 + aslant)
        else:
            margins(self._figure)
        axes.set(xlim=(frame.x.low, frame.x.high), ylim=(frame.y.low, frame.y.high))
        if frame not in self._kept:
            if len(self._kept) == _MOST_KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._draw(frame)
            self._kept[frame] = self._figure.canvas.copy_from_bbox(self._figure.bbox)
        self._figure.canvas.restore_region(self._kept[frame])

    def _draw(self, frame: Frame) -> None:
        axes = self._axes
        axes.grid(visible=frame.grid)
        axes.set_title(frame.title, fontsize=10, y=1.0)  # fixed, so that matplotlib does not search for it
        axes.set_xlabel(frame.x_label, fontsize=9)
        axes.set_ylabel(frame.y_label, fontsize=9)
        for axis, span in ((axes.xaxis, frame.x), (axes.yaxis, frame.y)):
            if span.ticks:
                axis.set_ticks(span.ticks, span.names or None)
            else:
                axis.set_major_locator(AutoLocator())
            if not span.names:
                axis.set_major_formatter(_numbers())
        axes.tick_params(axis="x", labelrotation=30 if len(frame.x.names) > _MOST_ACROSS else 0)
        self._heading.set_text("")
        self._figure.canvas.draw()


def blank(size: tuple[float, float] = _SIZE) -> tuple[Any, Any, Any]:
    """Create a figure of a size in inches; return it with its axes and the text of its heading."""
    figure = Figure(figsize=size, dpi=_DPI)
    FigureCanvasAgg(figure)
    margins(figure)
    axes = figure.add_subplot()
    heading = figure.suptitle("", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e6e6e6", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=TICKS, length=0)  # the grid shows the ticks
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(_numbers())
        axis.get_offset_text().set_fontsize(TICKS)
    # The axis labels have fixed positions at the edges, so matplotlib does not search for them.
    inches, shares = figure.dpi_scale_trans, axes.transAxes
    axes.xaxis.set_label_coords(0.5, 0.17, transform=blended_transform_factory(shares, inches))
    axes.yaxis.set_label_coords(0.17, 0.5, transform=blended_transform_factory(inches, shares))
    return figure, axes, heading


@contextlib.contextmanager
def emptied(axes: Any) -> Iterator[None]:
    """Remove what was plotted inside the context afterwards."""
    try:
        yield
    finally:
        for artist in _plotted(axes):
            artist.remove()
        axes.relim()
        axes.set_prop_cycle(None)


def _plotted(axes: Any) -> list[Any]:
    legend = axes.get_legend()
    return [*axes.images, *axes.collections, *axes.lines, *axes.texts, *([legend] if legend else [])]


def margins(figure: Any, left: float = 0.67, bottom: float = 0.5, top: float = 0.59) -> None:
    """Set the margins in inches.

    A layout engine that finds them by drawing twice would take as long again as the drawing.
    """
    width, height = figure.get_size_inches()
    figure.subplots_adjust(left / width, bottom / height, 0.97, 1.0 - top / height)


def widest_of(labels: Iterable[str]) -> float:
    """Return the width of the widest tick label, in inches."""
    return max(map(_width, labels), default=0.0)


@lru_cache(maxsize=1000)
def _width(label: str) -> float:
    measure = _ruler().get_renderer().get_text_width_height_descent
    return float(measure(label, FontProperties(size=TICKS), ismath=False)[0]) / _DPI


@cache
def _ruler() -> FigureCanvasAgg:
    return FigureCanvasAgg(Figure(figsize=(1.0, 1.0), dpi=_DPI))


def png(figure: Any) -> bytes:
    """Render a figure as PNG."""
    buffer = io.BytesIO()
    imsave(buffer, figure.canvas.buffer_rgba(), format="png", dpi=_DPI, pil_kwargs={"compress_level": 1})
    return buffer.getvalue()


def _numbers() -> ScalarFormatter:
    form = ScalarFormatter()
    form.set_powerlimits((-4, 5))
    return form
