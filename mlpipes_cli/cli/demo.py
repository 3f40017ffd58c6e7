"""``mlpipes demo``: the whole story on the example, in one go."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlpipes_cli.cli import context


def register(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.command()(demo)


def demo(
    directory: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="The demo's folder; made if it is not there.")
    ] = Path("mlpipes-demo"),
) -> None:
    """Init, up, train, leaderboard, promote, serve and predict on an example, in one go.

    The stack is left running; `mlpipes down` in the demo's folder stops it. On a folder that holds
    a demo already, the story goes on where it stands.
    """
    from mlpipes_cli.lifecycle.demo import run_demo

    console = context.current.console
    story = run_demo(directory, console)
    console.result(story, story.text)
