"""Base class of the groups of methods: the project's folder, and the receiver of events."""

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
    """The folder of a project.

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
        """The project with the current settings of ``mlpipes.yaml``."""
        from mlpipes_cli.project import find_project

        return find_project(self.root)

    @property
    def _events(self) -> Events:
        return Events(self.on_event)

    def _file(self, path: File) -> Path:
        """Return the path of an input file: relative to the project's folder, else to the current one."""
        given = Path(path)
        inside = self.root / given
        return (inside if inside.exists() or not given.exists() else given).absolute()
