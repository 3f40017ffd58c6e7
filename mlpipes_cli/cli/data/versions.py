"""``data versions``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mlpipes_cli.cli import context
from mlpipes_cli.cli.views.tables import Column, FittedTable
from mlpipes_cli.errors import UsageError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from mlpipes_cli.lifecycle.datasets.versions import VersionRow


def versions(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="The data set; all if left out.")] = None,
    prune: Annotated[
        int | None,
        typer.Option("--prune", metavar="KEEP", help="Remove the rows of all but the newest KEEP versions."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """List the versions of data sets, or remove the rows of old ones."""
    from mlpipes_cli.lifecycle.datasets import versions as verb

    here = context.current
    if prune is None:
        found = verb.versions(here.project(), name)
    elif name is None:
        raise UsageError("--prune needs the name of a data set", "mlpipes data versions NAME --prune KEEP")
    else:
        found = verb.prune(here.project(), here.console, name, prune, yes=yes)
    here.console.result(found, lambda: _table(found))


def _table(found: list[VersionRow]) -> RenderableType | str:
    if not found:
        return "no versions yet; make one with `mlpipes data prepare`"
    table = FittedTable(
        (
            Column("data set", least=10), Column("version", right=True), Column("load", right=True, drop=3),
            Column("rows", right=True), Column("parts", least=10, drop=2), Column("made (UTC)", drop=1),
            Column("fingerprint", drop=4, least=12), Column("by", drop=5),
        )
    )  # fmt: skip
    for row in found:
        parts = ", ".join(f"{part} {rows}" for part, rows in row.splits.items())
        rows = str(row.rows) if row.readable else f"{row.rows} (pruned)"
        moment = row.created[:19].replace("T", " ")
        table.add(
            row.dataset, str(row.version), str(row.load), rows, parts, moment, row.fingerprint[:12], row.actor
        )
    return table


def register(data: typer.Typer) -> None:
    """Add the command."""
    data.command("versions")(versions)
