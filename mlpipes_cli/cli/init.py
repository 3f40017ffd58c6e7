"""``mlpipes init``: create a project that can run at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlpipes_cli.cli import context

if TYPE_CHECKING:
    from mlpipes_cli.lifecycle.scaffold import NewProject


def register(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.command("init")(init)


def init(
    directory: Annotated[
        Path | None,
        typer.Argument(metavar="DIR", help="The new project's folder (default: the current folder)."),
    ] = None,
    example: Annotated[
        str | None,
        typer.Option(
            "--example",
            metavar="NAME",
            help="breast-cancer, credit, creditcard or captcha (default: breast-cancer).",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="FILE", help="Your own table instead of an example; needs --target."),
    ] = None,
    target: Annotated[
        str | None, typer.Option("--target", metavar="NAME", help="With --data: the column to predict.")
    ] = None,
    id_: Annotated[
        str | None,
        typer.Option(
            "--id",
            metavar="NAME",
            help="With --data: the column that identifies a row (default: the one that looks like it).",
        ),
    ] = None,
) -> None:
    """Create a project that is ready to run, from an example or from your own table."""
    from mlpipes_cli.lifecycle.new_project import new_project

    current = context.current
    base = current.directory or Path()
    made = new_project(
        base / directory if directory else base,
        current.console,
        example=example,
        data=data,
        target=target,
        id_=id_,
        base=base,
    )
    current.console.result(made, lambda: _render(made))


def _render(made: NewProject) -> str:
    files = "\n".join(f"  {name:<22} {about}" for name, about in made.files.items())
    steps = "\n".join(f"  {step}" for step in made.next)
    origin = f"example {made.example}"
    if made.example is None:
        origin = f"data set {made.dataset}, {made.task} target {made.target!r}"
    return f"created {made.project!r} in {made.directory} ({origin})\n{files}\nnext:\n{steps}"
