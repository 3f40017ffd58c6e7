"""``environments`` and ``environments prune``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mlpipes_cli.cli import context
from mlpipes_cli.cli.views.tables import Column, FittedTable

if TYPE_CHECKING:
    from rich.console import RenderableType

    from mlpipes_cli.lifecycle.environments import EnvironmentRow, PrunedEnvironments

_HELP = "List the Python environments for training and serving; all projects share them."


def listing(ctx: typer.Context) -> None:
    """List them, the most recently used first."""
    if ctx.invoked_subcommand is not None:
        return
    from mlpipes_cli.lifecycle import environments

    rows = environments.listing()
    context.current.console.result(rows, lambda: _table(rows))


def prune(
    unused_for: Annotated[
        str | None,
        typer.Option("--unused-for", metavar="TIME", help="Unused for at least: 12h, 30d (default: 30d)."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All, even those used recently.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Remove environments that are no longer used; those in use are kept."""
    from mlpipes_cli.lifecycle import environments

    console = context.current.console
    done = environments.prune(console, unused_for=unused_for, everything=everything, yes=yes)
    console.result(done, lambda: _rendered(done))


def _table(rows: list[EnvironmentRow]) -> RenderableType | str:
    if not rows:
        return "no environments yet; `mlpipes train` builds the ones that its runs need"
    table = FittedTable(
        (
            Column("hash"), Column("python", drop=1), Column("for", least=12),
            Column("packages", drop=2, right=True), Column("size", right=True), Column("last used (UTC)"),
        )
    )  # fmt: skip
    for row in rows:
        when = row.last_used[:19].replace("T", " ")
        table.add(row.hash, row.python, row.purpose, str(row.packages), f"{row.size / 1e6:.0f} MB", when)
    return table


def _rendered(done: PrunedEnvironments) -> str:
    lines = [f"removed {row.hash} ({row.purpose})" for row in done.removed]
    lines += [f"{row.hash} ({row.purpose}) is in use and was kept" for row in done.in_use]
    return "\n".join([*lines, f"{len(done.removed)} removed, {done.freed / 1e6:.0f} MB"])


def register(app: typer.Typer) -> None:
    """Add the commands of this group."""
    environments = typer.Typer(invoke_without_command=True, help=_HELP)
    environments.callback(help=_HELP)(listing)
    environments.command("prune")(prune)
    app.add_typer(environments, name="environments")
