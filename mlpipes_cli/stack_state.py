"""Choices of the command line that hold for all later commands of the project.

``up --runtime docker`` decides where the data is; a ``status`` or ``down`` with another runtime would not
find it. ``down --volumes`` removes the file together with the data.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.local_files import atomic_files, private_files
from mlpipes_cli.project import ProjectFolder


@dataclass(frozen=True)
class StackState:
    """The choices that ``up`` and ``migrate`` recorded.

    Attributes:
        runtime: docker, embedded or remote; None if no stack was ever started.
        services: The services of ``--with`` that ``up`` starts again.
        auth: ``--auth`` or ``--no-auth``; None leaves it to ``mlpipes.yaml``.
    """

    runtime: str | None = None
    services: tuple[str, ...] = ()
    auth: bool | None = None


def _file(project: ProjectFolder) -> Path:
    return project.state / "choices.json"


def read(project: ProjectFolder) -> StackState:
    """Return the recorded choices; the defaults if there is no file or it is damaged."""
    try:
        row = json.loads(_file(project).read_text(encoding="utf-8"))
        return StackState(row.get("runtime"), tuple(row.get("services", ())), row.get("auth"))
    except (OSError, ValueError, AttributeError, TypeError):
        return StackState()


def write(project: ProjectFolder, choices: StackState) -> None:
    """Write the choices in one atomic step.

    Raises:
        MlpipesError: The file cannot be written.
    """
    if choices == read(project):
        return
    path = _file(project)
    try:
        private_files.passage(path.parent)
        atomic_files.write_text(path, json.dumps(dataclasses.asdict(choices), indent=2) + "\n")
    except OSError as error:
        raise MlpipesError(
            f"{path}: cannot be written ({error.strerror})",
            "check the folder's owner and the free disk space",
        ) from None
