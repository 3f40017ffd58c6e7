"""``mlpipes train`` and ``mlpipes leaderboard``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlpipes_cli.cli import context


def register(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.command()(train)
    app.command()(leaderboard)


def train(
    file: Annotated[Path, typer.Argument(help="The experiment file.", show_default=True)] = Path(
        "experiment.yaml"
    ),
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="NAME", help="Run only this candidate; may be repeated."),
    ] = None,
    parallel: Annotated[
        int | None,
        typer.Option(
            "--parallel", min=1, metavar="N", help="Candidates trained at a time (default: all cores)."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything and show what would run; train nothing.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume the last session: train its unfinished candidates.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Retrain candidates already trained on the same data.")
    ] = False,
) -> None:
    """Train the candidates of an experiment file and print the leaderboard."""
    from mlpipes_cli.cli.views import train_view
    from mlpipes_cli.lifecycle import training

    console = context.current.console
    request = training.TrainRequest(
        file=context.current.resolve(file),
        shown_as=str(file),
        only=tuple(only or ()),
        parallel=parallel,
        resume=resume,
        force=force,
    )
    if dry_run:
        plan = training.dry_run(context.current.project, request, console)
        console.result(plan, lambda: train_view.plan_table(plan))
        return
    with train_view.progress(console) as progress:
        report = training.train(context.current.project, request, console, progress)
    console.result(report.document(), lambda: train_view.report_table(report))
    if report.failed:
        raise typer.Exit(1)


def leaderboard(
    file: Annotated[
        str | None, typer.Argument(help="An experiment's file or name (default: the project's).")
    ] = None,
    experiment: Annotated[
        str | None, typer.Option("--experiment", metavar="E", help="The same, as an option.")
    ] = None,
    metric: Annotated[str | None, typer.Option("--metric", metavar="M", help="Sort by this metric.")] = None,
    holdout: Annotated[
        str | None,
        typer.Option(
            "--holdout",
            metavar="H",
            help="The first characters of a holdout's fingerprint (default: the newest).",
        ),
    ] = None,
) -> None:
    """Show the candidates of an experiment evaluated on the same rows, best first."""
    from mlpipes_cli.cli.views import train_view
    from mlpipes_cli.errors import UsageError
    from mlpipes_cli.lifecycle import leaderboard as verb

    if file is not None and experiment is not None:
        raise UsageError(
            "the experiment is given twice: as an argument and with --experiment", "use one of them"
        )
    console, asked = context.current.console, file or experiment
    if asked is not None and asked.endswith((".yaml", ".yml")):
        asked = str(context.current.resolve(Path(asked)))
    board = verb.leaderboard(context.current.project(), experiment=asked, metric=metric, holdout=holdout)
    if board.few_rows:
        console.warn(board.few_rows)
    if board.others:
        console.info(train_view.elsewhere(board))
    if board.strangers:
        console.info(train_view.strangers(board))
    console.result(board.document(), lambda: train_view.board_table(board))
