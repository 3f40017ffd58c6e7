"""Let one process at a time change a stack."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mlpipes_cli.adapters.processes.json_files import locked
from mlpipes_cli.ports import Reporter
from mlpipes_cli.project import ProjectFolder


@contextmanager
def stack_lock(project: ProjectFolder, reporter: Reporter) -> Iterator[None]:
    """Hold the exclusive lock of a stack, whatever its runtime; the same thread may nest it.

    Raises:
        MlpipesError: The project's folder cannot be written, or its file system does not support locks.
    """

    def waiting(holder: str) -> None:
        reporter.info(f"another mlpipes process ({holder}) is changing this stack; waiting for it to finish")

    with locked(project.state / "lock", waiting):
        yield
