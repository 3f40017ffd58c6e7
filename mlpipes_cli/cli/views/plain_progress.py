"""Show tasks as plain lines if the output is not interactive (a pipe, a file, a dumb terminal)."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

Say = Callable[[str], None]


@dataclass(eq=False)
class PlainTask:
    """Implements :class:`mlpipes_cli.ports.Task`.

    Attributes:
        title: The name of the task.
        detail: Called with each note.
        noted: The last note.
        since: When the task began, on the monotonic clock.
    """

    title: str
    detail: Say
    noted: str = ""
    since: float = field(default_factory=time.monotonic)

    def advance(self, steps: float = 1.0) -> None:
        """Do nothing: there is no bar to draw."""

    def note(self, text: str) -> None:
        self.noted = text
        self.detail(f"{self.title}: {text}")

    def line(self) -> str:
        """Return the name of the task, its last note, and for how long it has run."""
        what = f"{self.title}: {self.noted}" if self.noted else self.title
        return f"{what} ({time.monotonic() - self.since:.0f} s)"


@dataclass
class PlainTasks:
    """Tasks that report their state from time to time; only the innermost task does."""

    _active: list[PlainTask] = field(default_factory=list)

    @contextlib.contextmanager
    def task(self, title: str, detail: Say, info: Say, every: float | None) -> Iterator[PlainTask]:
        """Add a task for as long as the context lasts.

        Args:
            title: The name of the task.
            detail: Called with each note.
            info: Called with a line every ``every`` seconds.
            every: Seconds; None is never.
        """
        task = PlainTask(title, detail)
        with self._reporting(task, info, every) if every else contextlib.nullcontext():
            yield task

    @contextlib.contextmanager
    def _reporting(self, task: PlainTask, info: Say, every: float) -> Iterator[None]:
        ended = threading.Event()

        def tell() -> None:
            while not ended.wait(every):
                if self._active[-1:] == [task]:
                    info(task.line())

        thread = threading.Thread(target=tell, name="progress", daemon=True)
        self._active.append(task)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            self._active.remove(task)
            thread.join()
