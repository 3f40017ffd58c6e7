"""``data profile``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlpipes_cli.cli import context
from mlpipes_cli.cli.views.tables import Column, FittedTable

if TYPE_CHECKING:
    from rich.console import RenderableType

    from mlpipes_cli.lifecycle.datasets.profile import Profile
    from mlpipes_cli.ports.data_sets.dataset_profile import ColumnProfile


def profile(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The data set's file.")] = Path("dataset.yaml"),
    output: Annotated[
        Path, typer.Option("--output", metavar="HTML", help="Write the page to this file.")
    ] = Path("profile.html"),
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            metavar="COLUMN",
            help="Compare the columns with this one; by default with the one of `split: stratify`.",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite an output file that is not such a page.")
    ] = False,
) -> None:
    """Describe the loaded rows as one HTML page: distributions, target, hints of leakage."""
    from mlpipes_cli.lifecycle.datasets import profile as verb

    here = context.current
    found = verb.profile(
        here.project(), here.resolve(file), here.console, output=output, target=target, force=force
    )
    here.console.result(found, lambda: _shown(found))


def _shown(found: Profile) -> RenderableType:
    table = FittedTable(
        (
            Column("column", least=10), Column("type", drop=1), Column("missing", right=True),
            Column("distinct", right=True), Column("target", right=True, drop=2), Column("hints", least=20),
        ),
        title=f"raw_data.{found.dataset}: {found.rows:,} rows, {len(found.columns)} columns",
        caption=f"wrote {found.path}",
    )  # fmt: skip
    for column in found.columns:
        missing = f"{100 * column.missing / found.rows:.1f} %" if found.rows else ""
        table.add(
            column.column,
            column.type,
            missing,
            f"{column.distinct:,}",
            _relation(column),
            "; ".join(column.hints),
        )
    return table


def _relation(column: ColumnProfile) -> str:
    if column.relation is None or column.relation.value is None:
        return column.role
    return f"{column.relation.measure} {column.relation.value:.3f}"


def register(data: typer.Typer) -> None:
    """Add the command."""
    data.command("profile")(profile)
