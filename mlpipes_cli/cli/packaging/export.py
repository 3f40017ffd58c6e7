"""``export``: files for tools that run or show a project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlpipes_cli.cli import context


def grafana(
    output: Annotated[
        Path, typer.Option("--output", metavar="FILE", help="Write the dashboard to this file.")
    ] = Path("grafana.json"),
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite an output file that is not such a dashboard.")
    ] = False,
) -> None:
    """Write a Grafana dashboard of the API's metrics and of the newest check."""
    from mlpipes_cli.lifecycle.export import grafana as verb

    console = context.current.console
    found = verb.export(context.current.project(), output, force=force)
    console.result(found, lambda: f"wrote {found.path}: {found.panels} panels")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True)
    group.command("grafana")(grafana)
    app.add_typer(group, name="export", help="Write files for tools that run or show the project.")
