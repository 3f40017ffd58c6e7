"""Where messages for a person go."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol


class Task(Protocol):
    """A piece of work whose progress is shown."""

    def advance(self, steps: float = 1.0) -> None:
        """So much more of the total is done."""

    def note(self, text: str) -> None:
        """Say beside it what is being done."""


class Reporter(Protocol):
    """Where messages for a person go (never results); all of it reaches standard error."""

    def info(self, text: str) -> None:
        """A line of news."""

    def warn(self, text: str) -> None:
        """A line that wants attention but stops nothing."""

    def detail(self, text: str) -> None:
        """A line that is shown with ``-v`` only."""

    def task(
        self, title: str, total: float | None = None, *, every: float | None = None
    ) -> AbstractContextManager[Task]:
        """Show a piece of work for as long as the context lasts; ``total`` None is a spinner.

        Where nothing can be drawn, a line says each ``every`` seconds what was noted last; None says nothing.
        """

    def confirm(self, question: str) -> bool:
        """Ask yes or no; no where nobody can answer."""
