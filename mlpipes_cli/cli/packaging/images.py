"""``images`` and ``images prune``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mlpipes_cli.cli import context
from mlpipes_cli.cli.views.tables import Column, FittedTable

if TYPE_CHECKING:
    from rich.console import RenderableType

    from mlpipes_cli.lifecycle.images import PrunedImages
    from mlpipes_cli.ports.image_store import OwnImage

_HELP = "List the Docker images that mlpipes has built, for all projects: services' and models'."


def listing(ctx: typer.Context) -> None:
    """List them, the newest first."""
    if ctx.invoked_subcommand is not None:
        return
    from mlpipes_cli.lifecycle import images

    rows = images.listing()
    context.current.console.result(rows, lambda: _table(rows))


def prune(
    models: Annotated[bool, typer.Option("--models", help="Those of `mlpipes build` too.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove images of other releases that no container uses."""
    from mlpipes_cli.lifecycle import images

    console = context.current.console
    done = images.prune(console, models=models, yes=yes)
    console.result(done, lambda: _rendered(done))


def _table(rows: list[OwnImage]) -> RenderableType | str:
    if not rows:
        return "mlpipes has built no image on this engine"
    table = FittedTable(
        (
            Column("image", least=16), Column("id", drop=2), Column("for", drop=1),
            Column("size", right=True), Column("in use by", least=10),
        )
    )  # fmt: skip
    for row in rows:
        purpose = row.model or ("this release" if row.current else "another release")
        table.add(
            ", ".join(row.names) or "(no name)", row.id[7:19], purpose, f"{row.size / 1e6:.0f} MB",
            ", ".join(row.used_by),
        )  # fmt: skip
    return table


def _name(image: OwnImage) -> str:
    return ", ".join(image.names) or image.id[7:19]


def _rendered(done: PrunedImages) -> str:
    lines = [f"removed {_name(image)}" for image in done.removed]
    lines += [f"{_name(image)} is in use and stays" for image in done.kept]
    return "\n".join([*lines, f"{len(done.removed)} removed, up to {done.size / 1e6:.0f} MB"])


def register(app: typer.Typer) -> None:
    """Add the commands of this group."""
    images = typer.Typer(invoke_without_command=True, help=_HELP)
    images.callback(help=_HELP)(listing)
    images.command("prune")(prune)
    app.add_typer(images, name="images")
