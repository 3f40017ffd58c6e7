"""Reads a file with the names of a data set's source for a model that knows the cleaned names."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mlpipes_cli.errors import UsageError

if TYPE_CHECKING:
    from mlpipes_cli.lifecycle.prediction.readers import Table
    from mlpipes_cli.lifecycle.prediction.scorers import RowScorer
    from mlpipes_cli.ports import Reporter

_SHOWN = 5  # columns in a line


def renamed(file: Path, table: Table, scorer: RowScorer, reporter: Reporter) -> Table:
    """Return a table of rows to score with the model's names; see :func:`with_clean_names`."""
    wanted = {column.name for column in scorer.columns} | ({scorer.id} if scorer.id else set())
    made = with_clean_names(file, table, scorer.formats.renames, wanted, reporter)
    if steps := ", ".join(scorer.formats.steps):
        if made is not table:
            reporter.warn(
                f"{file}: the rows are scored without the data set's steps {steps}, which the training rows"
                " have gone through; score cleaned rows where these steps matter"
            )
        else:
            reporter.info(f"{file}: the rows are scored as they are, without the data set's steps {steps}")
    return made


def with_clean_names(
    file: Path, table: Table, names: Mapping[str, str], wanted: Collection[str], reporter: Reporter
) -> Table:
    """Return a table with the cleaned names, if the file has names of the data set's source instead.

    A file that has all wanted columns stays as it is. In any other file each name of the source becomes
    the one that the data set gives it, so that two columns which exchange their names are not mixed up.

    Args:
        file: The file.
        table: Its table.
        names: The cleaned name of each name of the source.
        wanted: The cleaned names that are asked for.
        reporter: Told which names were read as others.

    Raises:
        UsageError: Two columns get one name.
    """
    changes = {raw: names[raw] for raw in table.columns if raw in names}
    if set(wanted) <= set(table.columns) or changes.keys() <= set(wanted):
        return table
    for raw, name in changes.items():
        if name in table.columns and name not in changes:
            raise UsageError(
                f"{file}: has both {raw!r} and {name!r}, and {raw!r} is the source's name of {name!r}",
                "remove one of the two columns",
            )
    shown = ", ".join(f"{raw!r} as {name!r}" for raw, name in list(changes.items())[:_SHOWN])
    more = f" and {len(changes) - _SHOWN} more" if len(changes) > _SHOWN else ""
    reporter.info(f"{file}: columns are named as in the data set's source: {shown}{more}")
    return table.renamed(changes)
