"""What every command knows: the console and the project that it was called for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlpipes_cli.cli.console import Console

if TYPE_CHECKING:
    from mlpipes_cli.project import ProjectFolder


@dataclass
class Context:
    """The global options, resolved.

    Attributes:
        directory: What ``-C`` named, or None for the current folder.
        console: The one mouth.
    """

    directory: Path | None
    console: Console

    def project(self) -> ProjectFolder:
        """The project, found by walking up (see :func:`mlpipes_cli.project.find_project`)."""
        from mlpipes_cli.project import find_project

        return find_project(self.directory)

    def resolve(self, path: Path) -> Path:
        """A path that the user gave: as seen from the ``-C`` folder, else from the current one."""
        inside = (self.directory or Path()) / path
        return (inside if inside.exists() or not path.exists() else path).absolute()


current = Context(None, Console())
