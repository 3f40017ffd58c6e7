"""The context of all commands: the console and the project."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlpipes_cli.cli.console import Console

if TYPE_CHECKING:
    from mlpipes_cli.project import ProjectFolder


@dataclass
class Context:
    """The resolved global options.

    Attributes:
        directory: The value of ``-C``, or None for the current folder.
        console: The output of the command line.
    """

    directory: Path | None
    console: Console

    def project(self) -> ProjectFolder:
        """Return the project, found by walking up (see :func:`mlpipes_cli.project.find_project`)."""
        from mlpipes_cli.project import find_project

        return find_project(self.directory)

    def resolve(self, path: Path) -> Path:
        """Return the path of a user's file: relative to the ``-C`` folder, else to the current one."""
        inside = (self.directory or Path()) / path
        return (inside if inside.exists() or not path.exists() else path).absolute()


current = Context(None, Console())
