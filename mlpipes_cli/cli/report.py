"""``report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlpipes_cli.cli import context


def report(
    run: Annotated[
        str | None, typer.Argument(help="A run id or a candidate (default: the best).", show_default=False)
    ] = None,
    experiment: Annotated[
        str | None, typer.Option("--experiment", metavar="E", help="The experiment (default: the newest).")
    ] = None,
    metric: Annotated[
        str | None, typer.Option("--metric", metavar="M", help="The metric that selects and compares runs.")
    ] = None,
    to: Annotated[
        str, typer.Option("--to", metavar="ALIAS", help="Compare with the version of this alias.")
    ] = "production",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write a .md file with plots, or a .html page."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite an output file that is not such a report.")
    ] = False,
) -> None:
    """Write a model card: data, metrics, plots, the leaderboard and the promotion test's verdict."""
    from mlpipes_cli.lifecycle.promotion.challenger import PromotionRequest
    from mlpipes_cli.lifecycle.reports import markdown
    from mlpipes_cli.lifecycle.reports import report as verb

    here = context.current
    file = None if output is None else verb.ReportFile(output, force)
    request = PromotionRequest(metric=metric, experiment=experiment, run=run, alias=to)
    card = verb.report(here.project(), here.console, request, file)
    if here.console.json_output or output is None:
        here.console.result(card, lambda: markdown.text(card))
        return
    here.console.info(f"wrote {output}")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("report")(report)
