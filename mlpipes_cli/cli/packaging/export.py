"""``export``: files for tools that run or show a project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlpipes_cli.cli import context
from mlpipes_cli.cli.packaging import cluster

if TYPE_CHECKING:
    from mlpipes_cli.lifecycle.export.ci.files import CiExport


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


def airflow(
    file: File = Path("pipeline.yaml"),
    output: Annotated[
        Path, typer.Option("--output", metavar="DIR", help="Write the DAG to this folder.")
    ] = Path("dags"),
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite a file that is not such a DAG, or was changed.")
    ] = False,
) -> None:
    """Write a pipeline as a DAG of Airflow 3: a task a step, with assets for data sets and models."""
    from mlpipes_cli.lifecycle.export.airflow import dag as verb

    here = context.current
    found = verb.export(here.project(), here.resolve(file), str(file), output, force=force)
    here.console.result(found, lambda: f"wrote {found.path}: DAG {found.dag}")


Repository = Annotated[
    Path | None,
    typer.Option("--output", metavar="DIR", help="The repository's folder (default: the project's own)."),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite files that are not of this command.")]


def github(file: File = Path("pipeline.yaml"), output: Repository = None, force: Force = False) -> None:
    """Write workflows for GitHub Actions: compare pull requests, promote and deploy main, monitor."""
    from mlpipes_cli.lifecycle.export.ci import github as verb

    here = context.current
    project, path = here.project(), here.resolve(file)
    found = verb.export(project, path, str(file), here.console, output=output, force=force)
    here.console.result(found, lambda: _written(found))


def gitlab(file: File = Path("pipeline.yaml"), output: Repository = None, force: Force = False) -> None:
    """Write jobs for GitLab CI/CD: compare merge requests, promote and deploy main, monitor."""
    from mlpipes_cli.lifecycle.export.ci import gitlab as verb

    here = context.current
    project, path = here.project(), here.resolve(file)
    found = verb.export(project, path, str(file), here.console, output=output, force=force)
    here.console.result(found, lambda: _written(found))


def _written(found: CiExport) -> str:
    lines = [f"wrote {name}" for name in found.files]
    lines.append(f"set these secrets there, as far as you use them: {', '.join(found.secrets)}")
    return "\n".join(lines)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True)
    group.command("grafana")(grafana)
    group.command("cron")(cron)
    group.command("systemd")(systemd)
    group.command("airflow")(airflow)
    group.command("github")(github)
    group.command("gitlab")(gitlab)
    cluster.add(group)
    app.add_typer(group, name="export", help="Write files for tools that run or show the project.")
