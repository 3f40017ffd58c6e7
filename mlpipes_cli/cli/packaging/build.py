"""``build``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlpipes_cli.cli import context

if TYPE_CHECKING:
    from mlpipes_cli.lifecycle.serving.image import BuildResult


def build(
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME", help="The registered model (mlpipes.yaml names it)."),
    ] = None,
    alias: Annotated[
        str | None, typer.Option("--alias", help="The alias to build from (default: production).")
    ] = None,
    version: Annotated[
        int | None,
        typer.Option("--version", metavar="N", min=1, help="A version number instead of an alias."),
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(
            "--tag",
            "-t",
            metavar="TAG",
            help="The image's name (default: mlpipes-MODEL:VERSION); may be repeated.",
        ),
    ] = None,
    push: Annotated[
        list[str] | None,
        typer.Option("--push", metavar="REF", help="Push it as REGISTRY/NAME:TAG; may be repeated."),
    ] = None,
    sbom: Annotated[
        Path | None,
        typer.Option("--sbom", metavar="FILE", help="Write its bill of materials (CycloneDX) to this file."),
    ] = None,
    platform: Annotated[
        str | None,
        typer.Option("--platform", metavar="P", help="Such as linux/arm64 (default: the engine's own)."),
    ] = None,
) -> None:
    """Build a Docker image of the API that contains the model and needs only a database."""
    from mlpipes_cli.errors import UsageError
    from mlpipes_cli.lifecycle.serving import image

    if alias is not None and version is not None:
        raise UsageError("--alias and --version cannot be combined", "use one of them")
    here = context.current
    made = image.build(
        here.project(),
        here.console,
        model=model,
        alias=alias,
        version=version,
        tags=tag or (),
        push=push or (),
        sbom=sbom,
        platform=platform,
    )
    here.console.result(made, lambda: _shown(made))


def _shown(made: BuildResult) -> str:
    inside = made.model
    pushed = "".join(f"pushed {image.name}@{image.digest}\n" for image in made.pushed)
    return (
        f"{made.tag} ({made.size / 1e6:.0f} MB): version {inside.version} of {inside.name}, "
        f"Python {inside.python}\n{pushed}"
        f"run it: docker run -e MLPIPES_DATABASE_URL=postgresql://USER:PASSWORD@HOST/DATABASE "
        f"-p 8000:8000 {made.tag}"
    )


def register(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.command("build")(build)
