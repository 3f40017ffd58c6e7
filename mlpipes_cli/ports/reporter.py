"""Progress and messages for users."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol


class Task(Protocol):
    """A task whose progress is shown."""

    def advance(self, steps: float = 1.0) -> None:
        """Advance the progress by a number of steps."""

    def note(self, text: str) -> None:
        """Show a note on the current step."""


class Reporter(Protocol):
    """Receives messages for users (never results); all of them go to standard error."""

    def info(self, text: str) -> None:
        """Show an informational message."""

    def warn(self, text: str) -> None:
        """Show a warning."""

    def detail(self, text: str) -> None:
        """Show a message only with ``-v``."""

    def task(
        self, title: str, total: float | None = None, *, every: float | None = None
    ) -> AbstractContextManager[Task]:
        """Show a task for as long as the context lasts; if ``total`` is None, show a spinner.

        Without an interactive terminal, a line with the last note is shown every ``every`` seconds; None
        shows none.
        """

    def confirm(self, question: str) -> bool:
        """Ask yes or no; return False if there is no terminal to ask."""
