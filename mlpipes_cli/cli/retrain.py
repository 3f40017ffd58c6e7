"""``mlpipes retrain``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlpipes_cli.cli import context


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(retrain)


def retrain(
    file: Annotated[
        Path | None,
        typer.Argument(help="The experiment file (default: that of mlpipes.yaml).", show_default=False),
    ] = None,
    only_if: Annotated[
        str | None,
        typer.Option(
            "--if",
            metavar="CAUSES",
            help="Only after one of these: drift,performance,truth:500; else exit with 0.",
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to", metavar="ALIAS", help="The alias of a better model (default: that of mlpipes.yaml)."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show cause, rows and alias; train and write nothing.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Ignore the cool-down and the limit on tries.")
    ] = False,
) -> None:
    """Train on the source and the served rows with ground truth, and promote what is better."""
    from mlpipes_cli.cli.views import retrained, train_view
    from mlpipes_cli.lifecycle.retraining import causes
    from mlpipes_cli.lifecycle.retraining import retrain as verb

    here = context.current
    request = verb.RetrainRequest(
        conditions=None if only_if is None else causes.read(only_if),
        file=None if file is None else here.resolve(file),
        to=to,
        dry_run=dry_run,
        force=force,
    )
    with train_view.progress(here.console) as progress:
        found = verb.retrain(here.project(), request, here.console, progress)
    here.console.result(found, lambda: retrained.retrained(found))
    found.require()
