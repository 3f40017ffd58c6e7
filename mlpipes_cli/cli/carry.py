"""Data that outlives the stack: backup, restore, migrate, upgrade."""

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
    file: Annotated[Path, typer.Argument(help="Where to: FILE.tar or FILE.tar.gz.", show_default=False)],
    force: Annotated[bool, typer.Option("--force", "-f", help="Write over a file.")] = False,
) -> None:
    """Copy databases and artifacts into one file, while the stack works."""
    from mlpipes_cli.lifecycle.carrying.backup import backup as copy

    here = context.current
    result = copy(here.project(), file.absolute(), here.console, force=force)
    here.console.result(result)


def restore(
    file: Annotated[Path, typer.Argument(help="What `mlpipes backup` made.", show_default=False)],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Put what a backup holds in the place of all data; the file is checked whole before."""
    from mlpipes_cli.lifecycle.carrying.restore import restore as replace

    here = context.current
    result = replace(here.project(), here.resolve(file), here.console, yes=yes)
    here.console.result(result)


def migrate(
    to: Annotated[
        str | None, typer.Option("--to", metavar="R", help="docker, embedded or remote.", show_default=False)
    ] = None,
    forget: Annotated[
        bool, typer.Option("--forget", help="Remove the data that the earlier runtime kept.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Carry the project over to another runtime, unchanged; the present one keeps its data."""
    from mlpipes_cli.errors import UsageError
    from mlpipes_cli.lifecycle.carrying import left
    from mlpipes_cli.lifecycle.carrying.migrate import migrate as carry

    here = context.current
    if forget and to is None:
        removed = left.forget(here.project(), here.console, yes=yes)
        here.console.result({"removed": removed})
    elif to is not None and not forget:
        here.console.result(carry(here.project(), to, here.console, yes=yes))
    else:
        raise UsageError("migrate takes --to or --forget", "for example `mlpipes migrate --to docker`")


def upgrade(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
) -> None:
    """Move the stack to what this release runs on: a backup first, and back again if it fails."""
    from mlpipes_cli.lifecycle.carrying.upgrade import upgrade as move

    here = context.current
    here.console.result(move(here.project(), here.console, dry_run=dry_run))
