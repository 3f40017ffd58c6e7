"""A reporter that remembers what it was told."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class ToldTask:
    """A piece of work that was shown."""

    title: str
    total: float | None
    every: float | None = None
    done: float = 0.0
    notes: list[str] = field(default_factory=list)
    ended: bool = False

    def advance(self, steps: float = 1.0) -> None:
        self.done += steps

    def note(self, text: str) -> None:
        self.notes.append(text)


@dataclass
class Told:
    """Implements ``mlpipes_cli.ports.Reporter``."""

    infos: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    details: list[str] = field(default_factory=list)
    tasks: list[ToldTask] = field(default_factory=list)

    def info(self, text: str) -> None:
        self.infos.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def detail(self, text: str) -> None:
        self.details.append(text)

    @contextlib.contextmanager
    def task(
        self, title: str, total: float | None = None, *, every: float | None = None
    ) -> Iterator[ToldTask]:
        task = ToldTask(title, total, every)
        self.tasks.append(task)
        try:
            yield task
        finally:
            task.ended = True

    def confirm(self, question: str) -> bool:
        return False
