"""The class of a project for Python programs and notebooks."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from mlpipes_cli.api.base import File
from mlpipes_cli.api.datasets import DatasetMethods
from mlpipes_cli.api.models import ModelMethods
from mlpipes_cli.api.monitoring import MonitoringMethods
from mlpipes_cli.api.pipelines import PipelineMethods
from mlpipes_cli.api.predictions import PredictionMethods
from mlpipes_cli.api.progress import Event, Events, log
from mlpipes_cli.api.stack import StackMethods


class Project(StackMethods, ModelMethods, PredictionMethods, MonitoringMethods, PipelineMethods):
    """The commands of the command line for one project.

    Each method reads the settings anew, as each command does.

    Args:
        directory: The project's folder, or one below it.
        on_event: Called with each :class:`Event` while a method works; by default events go to the logger
            ``mlpipes``.

    Attributes:
        root: The absolute path of the folder that holds ``mlpipes.yaml``.
        on_event: May be replaced.

    Raises:
        UsageError: There is no ``mlpipes.yaml`` in the folder or above.
        ConfigError: The file has mistakes.
    """

    @property
    def data(self) -> DatasetMethods:
        """The commands of ``mlpipes data``, as methods."""
        return DatasetMethods(self.root, on_event=self.on_event)

    def __repr__(self) -> str:
        return f"Project({str(self.root)!r})"


def init(
    directory: File = ".",
    *,
    example: str | None = None,
    data: File | None = None,
    target: str | None = None,
    id: str | None = None,
    on_event: Callable[[Event], object] = log,
) -> Project:
    """Create a project that can run at once, from an example or from a table.

    Args:
        directory: The new project's folder.
        example: ``breast-cancer``, ``credit``, ``creditcard`` or ``captcha``; by default the first,
            if there is no ``data``.
        data: A table instead: a file of at most 100 MB is copied, all else that ``source:`` of a
            ``dataset.yaml`` takes stays where it is.
        target: With ``data``: the column to predict.
        id: With ``data``: the column that identifies a row; left out, the one that looks like it.
        on_event: See :class:`Project`.

    Raises:
        UsageError: There is no such example, file or column, the target cannot be one, or the folder is in
            use.
        MlpipesError: The folder cannot be written.
    """
    from mlpipes_cli.lifecycle.new_project import new_project

    made = new_project(
        Path(directory),
        Events(on_event),
        example=example,
        data=None if data is None else os.fspath(data),
        target=target,
        id_=id,
        base=Path(),
    )
    return Project(made.directory, on_event=on_event)
