"""``data infer``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlpipes_cli.cli import context


def infer(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A file, a glob, `select ...`, module:function, or what else `source:` takes.",
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Write the text to this file.")
    ] = None,
    target: Annotated[
        str | None, typer.Option("--target", metavar="COLUMN", help="Stratify the split by this column.")
    ] = None,
    no_header: Annotated[
        bool, typer.Option("--no-header", help="The first line of a CSV file is a row, not names of columns.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the output file.")] = False,
) -> None:
    """Describe a source as a first dataset.yaml, from what its rows are like."""
    from mlpipes_cli.lifecycle.datasets import infer as verb

    here = context.current
    found = verb.infer(
        source,
        here.directory or Path(),
        here.console,
        output=output,
        target=target,
        force=force,
        header=False if no_header else None,
        project=here.project,
    )
    here.console.result(found, lambda: found.yaml.rstrip("\n") if output is None else f"wrote {found.output}")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("infer")(infer)
