"""``run`` and ``runs``: pipelines, and what became of their runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlpipes_cli.cli import context


def run(
    file: Annotated[Path, typer.Argument(metavar="[FILE]", help="The pipeline's file.")] = Path(
        "pipeline.yaml"
    ),
    start_from: Annotated[
        str | None,
        typer.Option("--from", metavar="STEP", help="Run this step and all that wait for it."),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="STEP", help="Run only this step; may be repeated.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the newest run: its unfinished steps.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the file and show the commands; start nothing.")
    ] = False,
) -> None:
    """Run the steps of a pipeline; exit with 3 if a gate of a step says no."""
    from mlpipes_cli.cli.views import pipelines as views
    from mlpipes_cli.lifecycle.pipelines import run as verb
    from mlpipes_cli.lifecycle.pipelines.selection import Selection

    here = context.current
    project = here.project()
    request = verb.RunRequest(here.resolve(file), str(file), Selection(start_from, tuple(only or ())), resume)
    if dry_run:
        plan = verb.plan(project, request)
        here.console.result(plan, lambda: views.planned(plan))
        return
    with views.progress(here.console) as progress:
        found = verb.run(project, request, here.console, progress)
    here.console.result(found, lambda: views.finished(found))
    found.require()


def runs(
    run: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help="A run: its id, or the beginning of it.", show_default=False),
    ] = None,
    pipeline: Annotated[
        str | None, typer.Option("--pipeline", metavar="NAME", help="Only runs of this pipeline.")
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=10_000, metavar="N", help="The number of runs.")
    ] = 20,
    lines: Annotated[
        int, typer.Option("--lines", min=0, max=100_000, metavar="N", help="With RUN: lines of each log.")
    ] = 20,
) -> None:
    """List runs of pipelines, the newest first, or show one with its steps and logs."""
    from mlpipes_cli.cli.views import pipelines as views
    from mlpipes_cli.lifecycle.pipelines import listing

    here = context.current
    if run is None:
        found = listing.runs(here.project(), here.console, pipeline=pipeline, limit=limit)
        here.console.result(found, lambda: views.listed(found))
        return
    detail = listing.run(here.project(), here.console, run, lines=lines)
    here.console.result(detail, lambda: views.detailed(detail))


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("run")(run)
    app.command("runs")(runs)
