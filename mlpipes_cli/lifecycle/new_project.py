"""``init``: makes a project from an example, or from a table of the user's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mlpipes_cli.errors import UsageError
from mlpipes_cli.lifecycle import scaffold
from mlpipes_cli.lifecycle.scaffold import NewProject

if TYPE_CHECKING:
    from mlpipes_cli.ports import Reporter


def new_project(
    directory: Path,
    reporter: Reporter,
    *,
    example: str | None = None,
    data: str | None = None,
    target: str | None = None,
    id_: str | None = None,
    base: Path,
) -> NewProject:
    """Make a project.

    Args:
        directory: The folder; it and its parents are made if they are missing.
        reporter: Gets progress and warnings.
        example: The example; the default one if there is no ``data`` either.
        data: A table instead.
        target: Its column to predict.
        id_: Its column that identifies a row.
        base: The folder at which a relative path of ``data`` starts.

    Raises:
        UsageError: The options do not fit together, or as for the functions that are called.
        MlpipesError: The folder cannot be written.
    """
    if data is None:
        for name, value in (("--target", target), ("--id", id_)):
            if value is not None:
                raise UsageError(
                    f"{name} is for a table of your own", f"give its file: --data FILE {name} NAME"
                )
        return scaffold.make_project(directory, scaffold.DEFAULT_EXAMPLE if example is None else example)
    if example is not None:
        raise UsageError("--example and --data exclude each other", "leave one of them out")
    if target is None:
        raise UsageError("--data needs --target", "name the column to predict: --target NAME")
    from mlpipes_cli.lifecycle.own_project.make import make_own_project

    return make_own_project(directory, data, target, id_, base, reporter)
