"""``serve`` and ``predict``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlpipes_cli.cli import context

if TYPE_CHECKING:
    from mlpipes_cli.lifecycle.prediction import PredictionResult


class Engine(StrEnum):
    """The server that answers."""

    api = "api"
    mlflow = "mlflow"


def serve(
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME", help="The registered model (mlpipes.yaml names it)."),
    ] = None,
    engine: Annotated[
        Engine, typer.Option("--engine", help="api stores each prediction; mlflow is MLflow's own server.")
    ] = Engine.api,
    alias: Annotated[
        str | None, typer.Option("--alias", help="The alias to serve (default: production).")
    ] = None,
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option("--port", min=1, max=65535, help="The port (default: 8000 or the next free one)."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, max=64, help="Number of worker processes.")
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Run as a service of the stack and return.")
    ] = False,
) -> None:
    """Serve the promoted model over HTTP; each prediction is stored before it is returned."""
    from mlpipes_cli.lifecycle import serving

    console, project = context.current.console, context.current.project()
    plan = serving.make_plan(
        project,
        model=model,
        engine=engine.value,
        alias=alias,
        host=host,
        port=port,
        workers=workers,
    )
    if detach:
        served = serving.detach(plan, console)
        console.result(served, lambda: f"{served.model} answers at {served.url}")
        return
    raise typer.Exit(serving.run(plan, console))


def predict(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A CSV, CSV.gz, Parquet or JSON file.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write a .csv, .parquet or .json file instead of printing."
        ),
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Score in this process; stores nothing in the database.")
    ] = False,
    batch_size: Annotated[
        int, typer.Option("--batch-size", min=1, max=50_000, metavar="N", help="Rows per request or batch.")
    ] = 500,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME", help="The registered model, if several are served."),
    ] = None,
    alias: Annotated[str | None, typer.Option("--alias", help="Its alias.")] = None,
    api_key: Annotated[
        str | None,
        typer.Option(
            "--api-key", envvar="MLPIPES_API_KEY", metavar="KEY", help="The API key, if the API requires one."
        ),
    ] = None,
) -> None:
    """Score a file with the running API, or with --offline in this process."""
    from mlpipes_cli.lifecycle import prediction

    console, project = context.current.console, context.current.project()
    scored: PredictionResult = prediction.predict(
        project,
        file,
        console,
        output=output,
        offline=offline,
        batch_size=batch_size,
        model=model,
        alias=alias,
        api_key=api_key,
        lines=None if console.json_output else console.line,
    )
    if console.json_output:
        console.result(scored)
    elif output is not None:
        console.info(f"{scored.rows} rows scored by {scored.model}, written to {scored.output}")


def register(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.command("serve")(serve)
    app.command("predict")(predict)
