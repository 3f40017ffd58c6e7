"""Commands that transfer data: backup, restore, migrate, upgrade."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlpipes_cli.cli import context


def register(app: typer.Typer) -> None:
    """Add the commands of this group."""
    for command in (backup, restore, migrate, upgrade):
        app.command()(command)


def backup(
    file: Annotated[
        Path, typer.Argument(help="The file to write: FILE.tar or FILE.tar.gz.", show_default=False)
    ],
    force: Annotated[bool, typer.Option("--force", "-f", help="Overwrite an existing file.")] = False,
) -> None:
    """Copy databases and artifacts into one file while the stack is running."""
    from mlpipes_cli.lifecycle.transfer.backup import backup as copy

    here = context.current
    result = copy(here.project(), file.absolute(), here.console, force=force)
    here.console.result(result)


def restore(
    file: Annotated[Path, typer.Argument(help="A file made by `mlpipes backup`.", show_default=False)],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Replace all data with a backup; the whole file is verified first."""
    from mlpipes_cli.lifecycle.transfer.restore import restore as replace

    here = context.current
    result = replace(here.project(), here.resolve(file), here.console, yes=yes)
    here.console.result(result)


def migrate(
    to: Annotated[
        str | None, typer.Option("--to", metavar="R", help="docker, embedded or remote.", show_default=False)
    ] = None,
    forget: Annotated[
        bool, typer.Option("--forget", help="Delete the data kept in the earlier runtime.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Move the project to another runtime; the present runtime keeps its data."""
    from mlpipes_cli.errors import UsageError
    from mlpipes_cli.lifecycle.transfer import retained_data
    from mlpipes_cli.lifecycle.transfer.migrate import migrate as carry

    here = context.current
    if forget and to is None:
        removed = retained_data.forget(here.project(), here.console, yes=yes)
        here.console.result({"removed": removed})
    elif to is not None and not forget:
        here.console.result(carry(here.project(), to, here.console, yes=yes))
    else:
        raise UsageError("migrate needs either --to or --forget", "for example `mlpipes migrate --to docker`")


def upgrade(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
) -> None:
    """Upgrade the stack to this release: back up first, and go back if the upgrade fails."""
    from mlpipes_cli.lifecycle.transfer.upgrade import upgrade as move

    here = context.current
    here.console.result(move(here.project(), here.console, dry_run=dry_run))
