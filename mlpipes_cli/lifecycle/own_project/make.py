"""``init --data``: makes a project from a user's own table, completely or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mlpipes_cli.errors import UsageError
from mlpipes_cli.lifecycle import scaffold
from mlpipes_cli.lifecycle.datasets import first_file, infer, names
from mlpipes_cli.lifecycle.own_project.files import OwnProject
from mlpipes_cli.lifecycle.own_project.source import OwnSource, located
from mlpipes_cli.lifecycle.own_project.target import Option, understand
from mlpipes_cli.lifecycle.scaffold import NewProject
from mlpipes_cli.suggest import did_you_mean

if TYPE_CHECKING:
    from mlpipes_cli.lifecycle.datasets.infer import Seen
    from mlpipes_cli.ports import Reporter


def make_own_project(
    directory: Path, data: str, target: str, id_: str | None, base: Path, reporter: Reporter
) -> NewProject:
    """Make a project from a table: its rows are read, nothing is written unless all can be.

    Args:
        directory: As for :func:`scaffold.make_project`.
        data: What ``source:`` of a ``dataset.yaml`` takes. A file of at most 100 MB is copied into the
            project; all else stays where it is.
        target: The column to predict, by its name in the source.
        id_: The column that identifies a row, by its name in the source; None: the one that looks like it.
        base: The folder at which relative paths start.
        reporter: Gets progress, what was understood, and warnings.

    Raises:
        UsageError: The source cannot be read, there is no such column, the target cannot be one, or the
            folder is in use.
        MlpipesError: The folder cannot be written.
    """
    directory = scaffold.target_folder(directory)
    source = located(data, base, directory)
    with infer.looked_at(source.read, base, reporter, target, Option("--data", {}, {})) as seen:
        made = _own(scaffold.project_name(directory), source, seen, target, id_, reporter)
        seen.tell(reporter)
        files = scaffold.written(directory, made.fill)
    steps = (
        "mlpipes up",
        "mlpipes data load",
        "mlpipes data prepare",
        "mlpipes train experiment.yaml",
        f"mlpipes promote --metric {made.about.metric}",
        "mlpipes serve --detach",
        f"mlpipes predict {made.rows_file}",
    )
    return NewProject(
        made.project,
        directory,
        None,
        scaffold.described(files, made.files),
        scaffold.following(directory, steps),
        seen.dataset,
        made.stored[target],
        made.about.task,
    )


def _own(
    project: str, source: OwnSource, seen: Seen, target: str, id_: str | None, reporter: Reporter
) -> OwnProject:
    """Decide what the columns are.

    Raises:
        UsageError: A column cannot be what it is said to be.
    """
    about = understand(target, seen.values)
    known = [plan.source for plan in seen.reading.plan.columns]
    dropped = first_file.dropped(seen.reading)
    if target in dropped:
        raise UsageError(f"--target: {target!r} only numbers the rows", "choose the column to predict")
    if id_ is not None:
        _check_id(id_, target, known, dropped)
    key = first_file.key_of(seen.reading, target) if id_ is None else id_
    unique = key is not None and seen.reading.facts[key].unique
    if not set(known) - {target, key, *dropped}:
        raise UsageError(f"--target: there is no other column to predict {target!r} from", "see --data")
    if not unique and key is not None:
        reporter.warn(
            f"--id: {key!r} is not known to be different in every row; it is the `id`, but no `key`"
        )
    return OwnProject(project, source, seen, target, about, key, unique, names.columns(known))


def _check_id(id_: str, target: str, known: list[str], dropped: set[str]) -> None:
    if id_ not in known:
        raise UsageError(f"no column {id_!r}{did_you_mean(id_, known)}", "see --id")
    if id_ == target:
        raise UsageError(f"--id and --target are both {id_!r}", "choose another --id")
    if id_ in dropped:
        raise UsageError(f"--id: {id_!r} only numbers the rows, or is empty", "choose another --id")
