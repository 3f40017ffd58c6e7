"""``export kubernetes`` and ``export helm``: files for a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlpipes_cli.cli import context

if TYPE_CHECKING:
    from mlpipes_cli.lifecycle.export.kubernetes.output_folder import WrittenFolder

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


def add(group: typer.Typer) -> None:
    """Add the commands to ``export``."""
    group.command("kubernetes")(kubernetes)
    group.command("helm")(helm)
