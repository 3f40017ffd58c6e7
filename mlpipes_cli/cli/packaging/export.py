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


File = Annotated[Path, typer.Argument(metavar="[FILE]", help="The pipeline's file.")]


def cron(
    file: File = Path("pipeline.yaml"),
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Write the lines to this file.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite an output file that is not such a crontab.")
    ] = False,
) -> None:
    """Print the line of a crontab that runs a pipeline by its schedule."""
    from mlpipes_cli.lifecycle.export.schedules import cron as verb

    here = context.current
    found = verb.export(
        here.project(), here.resolve(file), str(file), here.console, output=output, force=force
    )
    here.console.result(found, lambda: found.crontab if output is None else f"wrote {found.path}")


def systemd(
    file: File = Path("pipeline.yaml"),
    output: Annotated[
        Path, typer.Option("--output", metavar="DIR", help="Write the units to this folder.")
    ] = Path(),
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite output files that are not such units.")
    ] = False,
) -> None:
    """Write a systemd service that runs a pipeline, and a timer with its schedule."""
    from mlpipes_cli.lifecycle.export.schedules import systemd as verb

    here = context.current
    found = verb.export(here.project(), here.resolve(file), str(file), output, force=force)
    here.console.result(found, lambda: f"wrote {found.service}\nwrote {found.timer}")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True)
    group.command("grafana")(grafana)
    group.command("cron")(cron)
    group.command("systemd")(systemd)
    app.add_typer(group, name="export", help="Write files for tools that run or show the project.")
