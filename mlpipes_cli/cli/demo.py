"""``mlpipes demo``: run the whole example in one command."""

from __future__ import annotations

import functools
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlpipes_cli.cli import context
from mlpipes_cli.cli.views.tables import Column, FittedTable

if TYPE_CHECKING:
    from rich.console import RenderableType

    from mlpipes_cli.lifecycle.demo import DemoStep

HEADLINES = {
    "init": "a project with real data, an experiment and generated passwords",
    "up": "PostgreSQL and MLflow, for this project only",
    "train": "four candidates on the same rows, each in its own process",
    "leaderboard": "all judged on the same holdout, with 95 % intervals",
    "promote": "the best by KS goes to the registry as production",
    "serve": "a prediction API that stores each prediction before it answers",
    "predict": "a file of new rows, through the API",
}


def register(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.command()(demo)


def demo(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="The demo's folder; created if it does not exist.")
    ] = Path("mlpipes-demo"),
) -> None:
    """Init, up, train, leaderboard, promote, serve and predict on an example, in one go.

    The stack is left running; `mlpipes down` in the demo's folder stops it. If the folder already holds
    a demo, it continues where it stopped.
    """
    from mlpipes_cli.cli.views import train_view
    from mlpipes_cli.lifecycle.demo import story

    current = context.current
    console = current.console
    folder = current.directory / directory if current.directory else directory
    steps: list[DemoStep] = []
    for step in story(folder, console, lambda: train_view.progress(console), _headline):
        steps.append(step)
        if not console.json_output:
            console.result(step.result, functools.partial(_rendered, step))
        console.info(f"  ({step.seconds:.1f} s)")
    ended = _ending(folder, steps)
    console.result(ended, lambda: _next(ended))


def _headline(name: str) -> None:
    number = list(HEADLINES).index(name) + 1
    context.current.console.info(f"\n[{number}/{len(HEADLINES)}] mlpipes {name}: {HEADLINES[name]}")


def _rendered(step: DemoStep) -> RenderableType | str:
    tell = {
        "init": lambda made: (
            f"  made {made.directory}" if made else "  the project exists already; continuing with it"
        ),
        "up": _services,
        "train": _trained,
        "leaderboard": _board,
        "promote": _verdict,
        "serve": lambda served: f"  {served.model} version {served.version} answers at {served.url}",
        "predict": _predictions,
    }[step.name]
    return tell(step.result)


def _services(status: Any) -> str:
    return "\n".join(
        f"  {service.name:<10} {service.state:<8} {service.url or ''}" for service in status.services
    )


def _trained(report: Any) -> str:
    document = report.document()
    runs = document["runs"]
    return (
        f"  {len(runs)} candidates trained on {document['data']['rows']} rows; the best is {document['best']}"
    )


def _board(board: Any) -> RenderableType | str:
    from mlpipes_cli.cli.views import train_view

    table: RenderableType | str = train_view.board_table(board)
    return table


def _verdict(verdict: Any) -> str:
    version = f", version {verdict.to_version}" if verdict.to_version else ""
    champion = f"{verdict.candidate} ({verdict.metric} {verdict.value:.4f}){version}"
    return f"  {verdict.outcome}: {champion}: {verdict.reason}"


def _predictions(scored: Any) -> RenderableType | str:
    rows = scored.predictions or []
    columns = [
        name for name in (rows[0] if rows else {}) if name in {"id", "prediction", "score", "prediction_id"}
    ]
    table = FittedTable([Column(name) for name in columns], heading=False)
    for row in rows:
        table.add(*(f"{row[name]:.4f}" if name == "score" else str(row[name]) for name in columns))
    return table


def _ending(folder: Path, steps: list[DemoStep]) -> dict[str, Any]:
    found = {step.name: step.result for step in steps}
    mlflow = found["up"].running("mlflow")
    return {
        "directory": str(folder),
        "mlflow": mlflow.url if mlflow else None,
        "api": found["serve"].url,
        "seconds": {step.name: step.seconds for step in steps},
        "champion": found["promote"].candidate,
        "predictions": found["predict"].predictions,
    }


def _next(ended: dict[str, Any]) -> str:
    folder, total = ended["directory"], sum(ended["seconds"].values())
    mlpipes = _program()
    commands = {
        "status": "what runs and where",
        "history": "every promotion: who and why",
        "logs api": "the API's log",
        "env": "the exports for a notebook",
        "down": "stop the stack; the data is kept",
    }
    lines = [f"The demo took {total:.1f} s, and the stack is running. Look at:"]
    lines += [f"  {ended['mlflow']:<27} the runs, plots and models (MLflow)"]
    lines += [f"  {ended['api'] + '/docs':<27} the prediction API; try it in the browser"]
    lines += [f"  {mlpipes} -C {folder} {name:<8}  {about}" for name, about in commands.items()]
    lines += [
        f"  {Path(folder) / 'experiment.yaml'}: change it, then `{mlpipes} -C {folder} train experiment.yaml`"
    ]
    return "\n".join(["", *lines])


def _program() -> str:
    """Return how the user calls the program: as set by the set-up script, else the command or its path."""
    program = os.environ.get("MLPIPES_CALLED_AS")
    return program or ("mlpipes" if shutil.which("mlpipes") == sys.argv[0] else sys.argv[0])
