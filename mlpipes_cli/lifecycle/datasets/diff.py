"""``mlpipes data diff``: compares two versions of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.lifecycle.datasets import stored

if TYPE_CHECKING:
    from mlpipes_cli.ports import Reporter
    from mlpipes_cli.ports.data_sets.dataset_changes import ColumnChange, RowChanges
    from mlpipes_cli.ports.data_sets.datasets import DatasetVersion
    from mlpipes_cli.project import ProjectFolder


@dataclass(frozen=True)
class Difference:
    """What changed from one version of a data set to another.

    Attributes:
        dataset: The data set.
        old: The number of the first version.
        new: The number of the second.
        rows: The rows in which they differ.
        added_columns: Columns that only the second has.
        removed_columns: Columns that only the first has.
        columns: How each column that both have moved.
    """

    dataset: str
    old: int
    new: int
    rows: RowChanges
    added_columns: Sequence[str]
    removed_columns: Sequence[str]
    columns: Sequence[ColumnChange]


def diff(project: ProjectFolder, reporter: Reporter, name: str, old: int, new: int) -> Difference:
    """Compare two versions.

    Args:
        project: The project.
        reporter: Shows that the command works.
        name: The data set.
        old: The first version.
        new: The second.

    Raises:
        UsageError: There is no such version.
        MlpipesError: A version was pruned, or the stack is not running.
    """
    tables = stored.connect(project)
    found = stored.versions_of(tables, name)
    first, second = (_version(found, number) for number in (old, new))
    names = {one.name for one in first.columns} & {one.name for one in second.columns}
    key: Sequence[str] = second.settings.get("key") or ()
    if not set(key) <= names or first.settings.get("key") != second.settings.get("key"):
        key = ()
    with reporter.task(f"comparing the versions {old} and {new} of {name}"):
        rows, columns = tables.compare(first, second, key)
    return Difference(
        name, old, new, rows,
        [one.name for one in second.columns if one.name not in names],
        [one.name for one in first.columns if one.name not in names],
        columns,
    )  # fmt: skip


def _version(found: Sequence[DatasetVersion], number: int) -> DatasetVersion:
    for one in found:
        if one.version == number:
            if one.table is None:
                raise MlpipesError(f"the rows of version {number} of {one.dataset!r} were pruned")
            return one
    numbers = ", ".join(str(one.version) for one in reversed(found))
    raise UsageError(f"{found[0].dataset!r} has no version {number}", f"there are {numbers}")
