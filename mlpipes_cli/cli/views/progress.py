"""Show tasks as lines on the terminal, nested ones below; imported on demand because it imports rich."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.progress import Task as Line
from rich.text import Text

from mlpipes_cli.ports import Task


class _Bar(BarColumn):
    """A bar if the end of the task is known, otherwise nothing."""

    def render(self, task: Line) -> Text | object:  # type: ignore[override]
        return Text("") if task.total is None else super().render(task)


class _Count(ProgressColumn):
    """The completed amount and the total."""

    def render(self, task: Line) -> Text:
        if task.total is None:
            return Text("")
        return Text(f"{round(task.completed, 1):g}/{round(task.total, 1):g}")


class _Shown:
    def __init__(self, progress: Progress, line: TaskID) -> None:
        self._progress, self._line = progress, line

    def advance(self, steps: float = 1.0) -> None:
        self._progress.advance(self._line, steps)

    def note(self, text: str) -> None:
        self._progress.update(self._line, note=escape(text))


def board(console: Console) -> Progress:
    """Return the display that draws tasks for as long as its context lasts; nothing stays on the screen."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), _Bar(), _Count(), TimeElapsedColumn())
    note = TextColumn("[dim]{task.fields[note]}")
    return Progress(*columns, note, console=console, transient=True)


@contextlib.contextmanager
def shown(progress: Progress, title: str, total: float | None) -> Iterator[Task]:
    """Show a line for a task for as long as the context lasts."""
    line = progress.add_task(escape(title), total=total, note="")
    try:
        yield _Shown(progress, line)
    finally:
        progress.remove_task(line)
