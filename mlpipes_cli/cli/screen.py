"""rich's console, whose text steers no terminal; imported on demand, it brings rich."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from mlpipes_cli.cli.terminal_text import printable


class Screen(Console):
    """Only rich's own control codes go through: cells hold names and words of others."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """See rich; it is called for each part of what is drawn."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else printable(text), style, control)
