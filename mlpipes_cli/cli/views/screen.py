"""Console of rich whose text cannot control the terminal; imported on demand because it imports rich."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from mlpipes_cli.cli.views.terminal_text import printable


class Screen(Console):
    """Passes only rich's own control codes: cells contain names and texts of foreign origin."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as rich does, with all text made printable; rich calls this for each part of the output."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else printable(text), style, control)
