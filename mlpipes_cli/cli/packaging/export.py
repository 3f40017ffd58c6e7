"""``export``: files for tools that run or show a project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlpipes_cli.cli import context

if TYPE_CHECKING:
    from mlpipes_cli.lifecycle.export.kubernetes.output_folder import WrittenFolder


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


Image = Annotated[
    str | None,
    typer.Option("--image", metavar="REF", help="The API's image (default: `kubernetes: image`)."),
]
Force = Annotated[
    bool, typer.Option("--force", help="Overwrite files that are not of this command, and yours.")
]


def kubernetes(
    output: Annotated[
        Path, typer.Option("--output", metavar="DIR", help="Write the files to this folder.")
    ] = Path("kubernetes"),
    image: Image = None,
    force: Force = False,
) -> None:
    """Write manifests of the API and its jobs, with Kustomize overlays for staging and production."""
    from mlpipes_cli.lifecycle.export.kubernetes import kustomize

    console = context.current.console
    found = kustomize.export(context.current.project(), output, image=image, force=force)
    for line in found.left_out:
        console.warn(line)
    console.result(found, lambda: _written(found))


def helm(
    output: Annotated[
        Path, typer.Option("--output", metavar="DIR", help="Write the chart to this folder.")
    ] = Path("helm"),
    image: Image = None,
    force: Force = False,
) -> None:
    """Write a Helm chart of the API and its jobs."""
    from mlpipes_cli.lifecycle.export.kubernetes import chart

    console = context.current.console
    found = chart.export(context.current.project(), output, image=image, force=force)
    for line in found.left_out:
        console.warn(line)
    console.result(found, lambda: _written(found))


def _written(found: WrittenFolder) -> str:
    lines = [f"wrote {found.folder}: {len(found.files)} files"]
    if found.kept:
        lines.append(f"kept as they are: {', '.join(found.kept)}")
    if found.removed:
        lines.append(f"removed: {', '.join(found.removed)}")
    return "\n".join(lines)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True)
    group.command("grafana")(grafana)
    group.command("kubernetes")(kubernetes)
    group.command("helm")(helm)
    app.add_typer(group, name="export", help="Write files for tools that run or show the project.")
