"""What the groups of methods share: the project's folder, and where events go."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mlpipes_cli.api.progress import Event, Events, log

if TYPE_CHECKING:
    from mlpipes_cli.project import ProjectFolder as Settings

File = str | os.PathLike[str]


class Base:
    """A project's folder.

    Attributes:
        root: The absolute path of the folder that holds ``mlpipes.yaml``.
        on_event: Called with each :class:`Event`; may be replaced.
    """

    def __init__(self, directory: File = ".", *, on_event: Callable[[Event], object] = log) -> None:
        from mlpipes_cli.project import find_project

        self.on_event = on_event
        self.root = find_project(Path(directory)).root

    @property
    def _settings(self) -> Settings:
        """The project as ``mlpipes.yaml`` says now."""
        from mlpipes_cli.project import find_project

        return find_project(self.root)

    @property
    def _events(self) -> Events:
        return Events(self.on_event)

    def _file(self, path: File) -> Path:
        """A file that is read: as seen from the project's folder, else from the current one."""
        given = Path(path)
        inside = self.root / given
        return (inside if inside.exists() or not given.exists() else given).absolute()
