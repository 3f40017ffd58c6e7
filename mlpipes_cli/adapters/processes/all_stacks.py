"""Find the stacks of all projects that run as local processes, by the processes' environment variables.

A stack that does not run is not found: all its files are in its project's folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlpipes_cli.adapters.processes import process
from mlpipes_cli.ports.all_stacks import FoundStack

if TYPE_CHECKING:
    import psutil


class ProcessStacks:
    """Implements :class:`mlpipes_cli.ports.all_stacks.AllStacks` for processes of this user."""

    local = True

    def stacks(self) -> Sequence[FoundStack]:
        found: dict[str, set[str]] = {}
        for one in process.everyone():
            marks = process.marks(one)
            root, service = marks.get(process.PROJECT_MARK), marks.get(process.SERVICE_MARK)
            if root and service:
                found.setdefault(root, set()).add(service)
        return [
            FoundStack(root, Path(root), "embedded", "running", tuple(sorted(services)))
            for root, services in sorted(found.items())
        ]

    def stop(self, stack: FoundStack) -> None:
        process.end(lambda: self._processes(stack))

    def remove(self, stack: FoundStack) -> Sequence[str]:
        self.stop(stack)
        return []

    @staticmethod
    def _processes(stack: FoundStack) -> list[psutil.Process]:
        return [
            found
            for found in process.everyone()
            if process.marks(found).get(process.PROJECT_MARK) == stack.id
        ]
