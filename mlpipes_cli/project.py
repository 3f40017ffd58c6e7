"""A project on disk: the folder that holds ``mlpipes.yaml``, and the files mlpipes keeps in it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from mlpipes_cli.config.project import ProjectConfig, load_project_config
from mlpipes_cli.errors import UsageError

PROJECT_FILE = "mlpipes.yaml"
BACKUPS = "backups"


@dataclass(frozen=True)
class ProjectFolder:
    """The folder and settings of a project.

    Attributes:
        root: The absolute folder of ``mlpipes.yaml``.
        config: Its settings.
    """

    root: Path
    config: ProjectConfig

    @property
    def state(self) -> Path:
        """``.mlpipes/``: all files that the tool keeps; ``down --volumes`` removes it except for backups."""
        return self.root / ".mlpipes"

    @property
    def backups(self) -> Path:
        """The folder of backups that the tool makes; they outlive the data that they are made of."""
        return self.state / BACKUPS

    @property
    def logs(self) -> Path:
        """The folder with one log file for each service."""
        return self.state / "logs"

    @property
    def cache(self) -> Path:
        """Files that can be made again: prepared data, job folders."""
        return self.state / "cache"

    @property
    def env_file(self) -> Path:
        """``.env``, mode 0600: the generated secrets."""
        return self.root / ".env"

    def shown(self, path: Path) -> str:
        """Return the path as messages show it: relative to the current folder if that is shorter."""
        relative = os.path.relpath(path)
        return relative if len(relative) < len(str(path)) else str(path)


def find_project(start: Path | None = None) -> ProjectFolder:
    """Find the project by walking up from a folder (the current one when left out).

    Raises:
        UsageError: There is no project, or its file cannot be read.
        ConfigError: Its file has mistakes.
    """
    start = (start or Path.cwd()).resolve()  # one folder, one stack, whichever path leads to it
    if not start.is_dir():
        raise UsageError(f"{start}: no such folder", "give the project folder with -C")
    for folder in (start, *start.parents):
        path = folder / PROJECT_FILE
        if path.is_file():
            return ProjectFolder(folder, load_project_config(path, os.path.relpath(path)))
    raise UsageError(
        f"no {PROJECT_FILE} in {start} or above",
        "create a project with `mlpipes init DIR`, or give its folder with -C",
    )
