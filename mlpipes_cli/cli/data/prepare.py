"""``data prepare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlpipes_cli.cli import context


def prepare(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The data set's file.")] = Path("dataset.yaml"),
) -> None:
    """Check, clean and split the loaded rows into a new version; exit with 3 if a check fails."""
    from mlpipes_cli.lifecycle.datasets import prepare as verb

    here = context.current
    found = verb.prepare(here.project(), here.resolve(file), here.console)
    here.console.result(found, lambda: found.told)


def register(data: typer.Typer) -> None:
    """Add the command."""
    data.command("prepare")(prepare)
