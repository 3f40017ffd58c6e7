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
        str, typer.Option("--example", metavar="NAME", help="breast-cancer, credit, creditcard or captcha.")
    ] = "breast-cancer",
) -> None:
    """Create a project that is ready to run: settings, an experiment, data, secrets, a notebook."""
    from mlpipes_cli.lifecycle.scaffold import make_project

    current = context.current
    base = current.directory or Path()
    made = make_project(base / directory if directory else base, example)
    current.console.result(made, lambda: _render(made))


def _render(made: NewProject) -> str:
    files = "\n".join(f"  {name:<22} {about}" for name, about in made.files.items())
    steps = "\n".join(f"  {step}" for step in made.next)
    return f"created {made.project!r} in {made.directory} (example {made.example})\n{files}\nnext:\n{steps}"
