"""``mlpipes data profile``: what a loaded table is like, as one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli.lifecycle.datasets import stored
from mlpipes_cli.tabular import Tabular

if TYPE_CHECKING:
    from mlpipes_cli.config.dataset.config import DatasetConfig
    from mlpipes_cli.ports import Reporter
    from mlpipes_cli.ports.data_sets.dataset_profile import ColumnProfile, TargetProfile
    from mlpipes_cli.project import ProjectFolder


@dataclass(frozen=True)
class Profile(Tabular):
    """What a loaded table is like.

    Attributes:
        dataset: The data set.
        load: The newest load.
        rows: Rows of the table.
        repeated: Rows whose values another row before them has too.
        target: What the columns are compared with, if anything.
        version: The newest version, if there is one.
        splits: Rows of its parts.
        columns: The figures of each column, in the order of the table.
        path: The page.
    """

    dataset: str
    load: int
    rows: int
    repeated: int
    target: TargetProfile | None
    version: int | None
    splits: Mapping[str, int]
    columns: Sequence[ColumnProfile]
    path: str

    def table(self) -> list[dict[str, Any]]:
        return [_row(one) for one in self.columns]


def _row(one: ColumnProfile) -> dict[str, Any]:
    """Return a column as a row of :meth:`Profile.frame`: its single figures, and its hints as one text."""
    related = one.relation
    return {
        "column": one.column, "type": one.type, "role": one.role, "missing": one.missing,
        "distinct": one.distinct, "min": one.min, "max": one.max, "mean": one.mean, "sd": one.sd,
        "measure": related and related.measure, "relation": related and related.value,
        "hints": "; ".join(one.hints),
    }  # fmt: skip


def profile(
    project: ProjectFolder,
    file: Path,
    reporter: Reporter,
    *,
    output: Path,
    target: str | None = None,
    force: bool = False,
) -> Profile:
    """Describe the raw table of a data set, and write the page.

    Args:
        project: The project.
        file: ``dataset.yaml``.
        reporter: Shows which column is looked at.
        output: The page; one that is there is replaced.
        target: The column that the others are compared with; the one that the split stratifies by if None.
        force: Whether to replace a file that is not such a page.

    Raises:
        UsageError: The target is not a column, or ``output`` is another file or cannot be written.
        ConfigError: ``dataset.yaml`` has mistakes.
        MlpipesError: Nothing is loaded, or the stack is not running.
    """
    from mlpipes_cli import output_files
    from mlpipes_cli.html_page.document import mark
    from mlpipes_cli.lifecycle.datasets.profile_page.page import COMMAND, page

    output_files.check(output, mark(COMMAND), f"a page of `{COMMAND}`", force=force)
    config, _ = stored.read(project, file)
    tables = stored.connect(project)
    names = tables.columns(config.dataset)
    unique = [config.stored_name(name) for name, one in config.columns.items() if one.unique]
    key = [config.stored_name(name) for name in config.key or ()]
    unique += key if len(key) == 1 else []
    roles = _roles(config, target, names, reporter)
    with reporter.task(f"profiling raw_data.{config.dataset}", total=len(names), every=10) as task:

        def say(name: str) -> None:
            task.note(name)
            task.advance()

        found = tables.profile(config, roles, unique, say)
    newest = next(iter(tables.versions(config.dataset)), None)
    made = Profile(
        config.dataset, found.load, found.rows, found.repeated, found.target,
        None if newest is None else newest.version, {} if newest is None else newest.splits,
        found.columns, str(output),
    )  # fmt: skip
    output_files.write(output, page(made))
    return made


def _roles(
    config: DatasetConfig, target: str | None, names: Sequence[str], reporter: Reporter
) -> dict[str, str]:
    """Return what columns are for, by their names in the table; the target is the last word."""
    split = config.split
    roles = {config.stored_name(name): "key" for name in config.key or ()}
    for column, role in ((split.by, "time"), (split.group, "group")):
        if column is not None:
            roles[config.stored_name(column)] = role
    if target is not None:
        return roles | {config.stored_name(target): "target"}
    if split.stratify is None:
        return roles
    name = config.stored_name(split.stratify)
    if name not in names:
        reporter.info(
            f"the split stratifies by {name!r}, which is not in the raw table: name the target by --target"
        )
        return roles
    return roles | {name: "target"}
