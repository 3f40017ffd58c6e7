"""Records the versions that a project's stack last ran on, for the rollback of an upgrade."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.lifecycle.transfer.yaml_edit import write as write_text
from mlpipes_cli.ports import Runtime
from mlpipes_cli.project import ProjectFolder


@dataclass(frozen=True)
class Release:
    """A release on a runtime.

    Attributes:
        mlpipes: The release's version; empty if unknown.
        runtime: docker, embedded or remote.
        versions: The version of each service.
    """

    mlpipes: str = ""
    runtime: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)


def read(project: ProjectFolder, runtime: Runtime) -> Release:
    """Return the recorded release; empty if it is of another runtime."""
    try:
        row = json.loads((project.state / "release.json").read_text(encoding="utf-8"))
        found = Release(str(row["mlpipes"]), str(row["runtime"]), dict(row["versions"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Release()
    return found if found.runtime == runtime.name else Release()


def note(project: ProjectFolder, runtime: Runtime) -> None:
    """Record the running versions; a stack that does not report them is not an error.

    Raises:
        MlpipesError: The file cannot be written.
    """
    try:
        versions = dict(runtime.versions())
    except MlpipesError:
        return
    present = Release(importlib.metadata.version("mlpipes"), runtime.name, versions)
    if versions and present != read(project, runtime):
        row = {"mlpipes": present.mlpipes, "runtime": present.runtime, "versions": versions}
        path = project.state / "release.json"
        path.touch(mode=0o600)
        write_text(path, json.dumps(row, indent=2) + "\n")
