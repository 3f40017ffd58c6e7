"""The only output of the command line: results go to standard output, everything else to standard error.

No other module prints. A command's function returns a dataclass; ``Console.result`` shows it as a table for
users or as one JSON document. Foreign text (names, messages, log lines) cannot control the terminal.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlpipes_cli.cli.views.plain_progress import PlainTasks
from mlpipes_cli.cli.views.terminal_text import json_text, printable, printable_log
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.json_values import jsonable as jsonable

if TYPE_CHECKING:
    from rich.console import Console as RichConsole
    from rich.console import RenderableType
    from rich.progress import Progress

    from mlpipes_cli.ports import Task


_RED, _YELLOW, _DIM = "31", "33", "2"
_UNBOUNDED = 100_000  # the width of a pipe or a file, where nothing is wrapped or shortened


@dataclass
class Console:
    """Implements :class:`mlpipes_cli.ports.Reporter`.

    Attributes:
        json_output: Print results as one JSON document.
        verbose: Show details.
        color: Whether to use colours; None depends on the terminal and ``NO_COLOR``.
    """

    json_output: bool = False
    verbose: bool = False
    color: bool | None = None
    _progress: Progress | None = dataclasses.field(default=None, init=False, repr=False)
    _plain: PlainTasks = dataclasses.field(default_factory=PlainTasks, init=False, repr=False)

    def _rich(self, stderr: bool) -> RichConsole:
        from mlpipes_cli.cli.views.screen import Screen

        stream = sys.stderr if stderr else sys.stdout
        width = None if stream.isatty() else _UNBOUNDED
        return Screen(
            stderr=stderr, no_color=self.color is False, highlight=False, soft_wrap=True, width=width
        )

    @property
    def interactive(self) -> bool:
        """Whether standard error is an interactive terminal."""
        return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

    def _say(self, text: str, style: str = "") -> None:
        """Write a line to standard error without rich, whose import takes too long for an error message."""
        text = printable(text)
        if style and self.interactive and self.color is not False and "NO_COLOR" not in os.environ:
            text = f"\x1b[{style}m{text}\x1b[0m"
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    def info(self, text: str) -> None:
        self._say(text)

    def warn(self, text: str) -> None:
        self._say(f"warning: {text}", _YELLOW)

    def detail(self, text: str) -> None:
        if self.verbose:
            self._say(text, _DIM)

    @contextlib.contextmanager
    def task(self, title: str, total: float | None = None, *, every: float | None = None) -> Iterator[Task]:
        if not self.interactive:
            with self._plain.task(title, self.detail, self.info, every) as plain:
                yield plain
            return
        from mlpipes_cli.cli.views.progress import board, shown

        if self._progress is not None:  # inside another task: a line of its own below it
            with shown(self._progress, title, total) as task:
                yield task
            return
        self._progress = board(self._rich(stderr=True))
        try:
            with self._progress, shown(self._progress, title, total) as task:
                yield task
        finally:
            self._progress = None

    @contextlib.contextmanager
    def live(self, render: Callable[[], RenderableType]) -> Iterator[None]:
        """Redraw the output of ``render`` on the terminal for as long as the context lasts."""
        from rich.live import Live

        screen = self._rich(stderr=True)
        with Live(get_renderable=render, console=screen, refresh_per_second=5, transient=True):
            yield

    def confirm(self, question: str) -> bool:
        if not sys.stdin.isatty():
            return False
        sys.stderr.write(f"{printable(question)} [y/N] ")
        sys.stderr.flush()
        return sys.stdin.readline().strip().lower() in {"y", "yes"}

    def result(self, value: Any, render: Callable[[], RenderableType | str] | None = None) -> None:
        """Print a result: JSON with ``--json``, else the output of ``render``."""
        if self.json_output:
            text = json.dumps(jsonable(value), ensure_ascii=False, indent=2)
            sys.stdout.write(json_text(text) + "\n")
        elif render is not None:
            shown = render()
            if isinstance(shown, str):
                shown = printable(shown)
                sys.stdout.write(shown if shown.endswith("\n") else shown + "\n")
            else:
                self._rich(stderr=False).print(shown, soft_wrap=False, crop=False)
        sys.stdout.flush()

    def line(self, text: str) -> None:
        """Print a line of a log; keep its colours."""
        sys.stdout.write(f"{printable_log(text)}\n")
        sys.stdout.flush()

    def error(self, error: MlpipesError) -> None:
        """Print an error, one line for each problem."""
        for line in error.lines():
            self._say(f"error: {line}", _RED)
