"""``keys create``, ``keys list`` and ``keys revoke``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mlpipes_cli.cli import context
from mlpipes_cli.cli.views.tables import Column, FittedTable

if TYPE_CHECKING:
    from rich.console import RenderableType

    from mlpipes_cli.lifecycle.serving.keys import KeyRow

_HELP = "API keys: once the first key exists, the prediction API requires one."


def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name: its owner or its purpose.")],
) -> None:
    """Create a key and show it once."""
    from mlpipes_cli.lifecycle.serving import keys

    console = context.current.console
    made = keys.create(context.current.project(), name)
    if made.first:
        console.info("within 2 seconds the prediction API will require a key")
    console.info(f"the key {made.name!r} is shown only once:")
    console.result(made, lambda: made.key)


def list_keys() -> None:
    """List the keys with their state and when they were last used."""
    from mlpipes_cli.lifecycle.serving import keys

    console = context.current.console
    rows = keys.listing(context.current.project())
    console.result(rows, lambda: _table(rows))


def revoke(
    key: Annotated[str, typer.Argument(metavar="NAME_OR_ID", help="The key's name or id.")],
) -> None:
    """Revoke a key; it stops working within 2 seconds."""
    from mlpipes_cli.lifecycle.serving import keys

    console = context.current.console
    row = keys.revoke(context.current.project(), key)
    console.result(row, lambda: f"key {row.name!r} ({row.id}) is revoked")


def _table(rows: list[KeyRow]) -> RenderableType | str:
    if not rows:
        return "no keys exist, so the prediction API requires none; create one with `mlpipes keys create`"
    table = FittedTable(
        (
            Column("name", least=12), Column("id"), Column("state"), Column("created (UTC)", drop=2),
            Column("last used (UTC)", drop=1), Column("revoked (UTC)", drop=3),
        )
    )  # fmt: skip
    for row in rows:
        times = (row.created, row.last_used, row.revoked)
        table.add(row.name, row.id, row.state, *((moment or "")[:19].replace("T", " ") for moment in times))
    return table


def register(app: typer.Typer) -> None:
    """Add the commands of this group."""
    keys = typer.Typer(no_args_is_help=True, help=_HELP)
    keys.command("create")(create)
    keys.command("list")(list_keys)
    keys.command("revoke")(revoke)
    app.add_typer(keys, name="keys")
