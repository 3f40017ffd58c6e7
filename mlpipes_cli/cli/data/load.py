"""``data load``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlpipes_cli.cli import context
from mlpipes_cli.cli.views.tables import Column, FittedTable

if TYPE_CHECKING:
    from rich.console import RenderableType

    from mlpipes_cli.lifecycle.datasets.load import Loaded

File = Annotated[Path, typer.Argument(metavar="[FILE]", help="The file that describes the data set.")]


def load(file: File = Path("dataset.yaml")) -> None:
    """Load a data set's source into the table raw_data.NAME, all rows or none."""
    from mlpipes_cli.lifecycle.datasets import load as verb

    here = context.current
    found = verb.load(here.project(), here.resolve(file), here.console)
    here.console.result(found, lambda: _shown(found))


def _shown(found: Loaded) -> RenderableType:
    table = FittedTable(
        (Column("table", least=16), Column("load", right=True), Column("rows", right=True),
         Column("added", right=True), Column("updated", right=True, drop=2),
         Column("unchanged", right=True, drop=1), Column("set aside", right=True, drop=1))
    )  # fmt: skip
    counts = (found.rows, found.added, found.updated, found.unchanged, found.set_aside)
    table.add(f"raw_data.{found.dataset}", str(found.load), *(f"{count:,}" for count in counts))
    return table


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("load")(load)
