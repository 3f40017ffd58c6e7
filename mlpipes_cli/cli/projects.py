"""``projects``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mlpipes_cli.cli import context
from mlpipes_cli.cli.views.tables import Column, FittedTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from mlpipes_cli.ports.all_stacks import FoundStack


def projects(
    stop: Annotated[
        str | None, typer.Option("--stop", metavar="STACK", help="Stop this stack; keep its data.")
    ] = None,
    remove: Annotated[
        str | None, typer.Option("--remove", metavar="STACK", help="Stop this stack and remove its data.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """List all stacks on this machine, including those whose project folder no longer exists."""
    from mlpipes_cli.errors import UsageError
    from mlpipes_cli.lifecycle import projects as verb

    console = context.current.console
    if stop and remove:
        raise UsageError("--stop and --remove cannot be combined", "use one of them")
    if stop:
        stopped = verb.stop(stop, console)
        console.result(stopped, lambda: f"stopped: {stopped.id}")
    elif remove:
        removed = verb.remove(remove, console, yes=yes)
        console.result(removed, lambda: f"removed: {', '.join(removed.removed) or removed.id}")
    else:
        found = verb.listing(console)
        rows = [{**vars(stack), "orphaned": stack.orphaned} for stack in found]
        console.result(rows, lambda: _table(found))


def _table(found: Sequence[FoundStack]) -> RenderableType | str:
    if not found:
        return "there are no stacks on this machine"
    table = FittedTable(
        (
            Column("stack", least=12), Column("runtime"), Column("state"),
            Column("services", drop=1, least=10), Column("folder", least=16),
        )
    )  # fmt: skip
    for stack in found:
        folder = f"{stack.root} (gone)" if stack.orphaned else str(stack.root)
        table.add(stack.id, stack.runtime, stack.state, ", ".join(stack.services), folder)
    return table


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("projects")(projects)
