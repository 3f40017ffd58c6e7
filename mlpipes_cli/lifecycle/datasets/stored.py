"""The connection to a project's data sets that the commands after ``load`` begin with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mlpipes_cli.config.dataset.config import DatasetConfig, load_dataset
from mlpipes_cli.config.yaml_source import YamlSource
from mlpipes_cli.errors import UsageError
from mlpipes_cli.suggest import did_you_mean

if TYPE_CHECKING:
    from mlpipes_cli.adapters.postgres.datasets.prepared import PreparedData
    from mlpipes_cli.ports.data_sets.datasets import DatasetVersion
    from mlpipes_cli.project import ProjectFolder


def read(project: ProjectFolder, file: Path) -> tuple[DatasetConfig, YamlSource]:
    """Return the checked ``dataset.yaml``.

    Raises:
        UsageError: It cannot be read.
        ConfigError: It has mistakes.
    """
    return load_dataset(file, project.shown(file))


def connect(project: ProjectFolder) -> PreparedData:
    """Return the data sets of the project's running stack, with their tables upgraded.

    Raises:
        MlpipesError: The stack is not running, or its database does not answer.
    """
    from mlpipes_cli.adapters import database_wiring, wiring

    stored = database_wiring.make_prepared_data(wiring.make_runtime(project).endpoints())
    stored.prepare_tables()
    return stored


def versions_of(stored: PreparedData, name: str) -> list[DatasetVersion]:
    """Return the versions of a data set, the newest first.

    Raises:
        UsageError: It has none.
    """
    found = stored.versions(name)
    if not found:
        known = sorted({one.dataset for one in stored.versions(None)})
        hint = did_you_mean(name, known).removeprefix("; ")
        raise UsageError(
            f"the data set {name!r} has no versions", hint or "make one with `mlpipes data prepare`"
        )
    return found
