"""``mlpipes data versions``: lists the versions of data sets, and prunes old ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlpipes_cli.config.dataset.split import PARTS
from mlpipes_cli.errors import UsageError
from mlpipes_cli.lifecycle.datasets import stored
from mlpipes_cli.lifecycle.transfer.transfer_context import agreed

if TYPE_CHECKING:
    from mlpipes_cli.ports import Reporter
    from mlpipes_cli.ports.data_sets.datasets import DatasetVersion
    from mlpipes_cli.project import ProjectFolder


@dataclass(frozen=True)
class VersionRow:
    """A version as it is listed.

    Attributes:
        dataset: The data set.
        version: The number.
        load: The newest load that it was made from.
        rows: Rows in all parts.
        splits: Rows of each part.
        fingerprint: SHA-256 of its rows and their parts.
        readable: Whether its rows are still there.
        created: When it was made; ISO 8601 in UTC.
        actor: Who made it.
        columns: The type of each column.
        learned: What steps learned on the training rows.
        settings: What was done.
    """

    dataset: str
    version: int
    load: int
    rows: int
    splits: Mapping[str, int]
    fingerprint: str
    readable: bool
    created: str
    actor: str
    columns: Mapping[str, str] = field(default_factory=dict)
    learned: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


def versions(project: ProjectFolder, name: str | None = None) -> list[VersionRow]:
    """Return the versions of a data set or of all, the newest of each first.

    Raises:
        UsageError: The data set has none.
        MlpipesError: The stack is not running.
    """
    tables = stored.connect(project)
    found = tables.versions(None) if name is None else stored.versions_of(tables, name)
    return [_row(one) for one in found]


def prune(
    project: ProjectFolder, reporter: Reporter, name: str, keep: int, *, yes: bool = False
) -> list[VersionRow]:
    """Remove the rows of all but the newest versions; their records stay.

    Args:
        project: The project.
        reporter: Asks for confirmation.
        name: The data set.
        keep: How many versions keep their rows, at least 1.
        yes: Do not ask for confirmation.

    Returns:
        All versions as they are now, the newest first.

    Raises:
        UsageError: The data set has no versions, ``keep`` is below 1, or there is no terminal to ask on.
        MlpipesError: The stack is not running, the user declined, or something depends on a version.
    """
    if keep < 1:
        raise UsageError("--prune: the newest version is never removed", "give 1 or more")
    tables = stored.connect(project)
    old = [one for one in stored.versions_of(tables, name)[keep:] if one.table is not None]
    if old:
        numbers = ", ".join(str(one.version) for one in reversed(old))
        why = f"this permanently removes the rows of the versions {numbers} of {name!r}"
        question = f"remove the rows of the versions {numbers} of {name!r} permanently?"
        agreed(reporter, question, yes=yes, flag="--yes", why=why)
        with tables.turn(name, reporter.info):
            tables.prune(name, keep)
    return versions(project, name)


def _row(version: DatasetVersion) -> VersionRow:
    created = "" if version.created_at is None else version.created_at.isoformat(timespec="seconds")
    splits = {part: version.splits[part] for part in PARTS if part in version.splits}
    return VersionRow(
        version.dataset, version.version, version.load, version.rows, splits,
        version.fingerprint, version.table is not None, created, version.actor,
        {one.name: one.type for one in version.columns}, version.learned, version.settings,
    )  # fmt: skip
