"""``feedback`` and ``predictions``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlpipes_cli.cli import context
from mlpipes_cli.cli.views.tables import Column, FittedTable

if TYPE_CHECKING:
    from rich.console import RenderableType

    from mlpipes_cli.lifecycle.records.feedback import Reported
    from mlpipes_cli.lifecycle.records.listing import PredictionEntry

_HELP = "List, export, prune and replay predictions."


Model = Annotated[
    str | None, typer.Option("--model", metavar="NAME", help="Only predictions of this registered model.")
]
Version = Annotated[
    int | None, typer.Option("--version", min=1, metavar="N", help="Only predictions of this version.")
]
Alias = Annotated[
    str | None, typer.Option("--alias", metavar="A", help="Only predictions served under this alias.")
]
Since = Annotated[str | None, typer.Option("--since", metavar="T", help="Start: 30d, 2026-11-21.")]
Until = Annotated[str | None, typer.Option("--until", metavar="T", help="End: 1d, 2026-11-21T10:00.")]


def feedback(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A CSV, CSV.gz, Parquet or JSON table.")],
    id_column: Annotated[
        str | None,
        typer.Option(
            "--id-column",
            metavar="C",
            help="The id column (default: prediction_id, or the model's id column).",
        ),
    ] = None,
    value_column: Annotated[
        str | None,
        typer.Option(
            "--value-column", metavar="C", help="The truth column (default: the target, value, or truth)."
        ),
    ] = None,
    model: Model = None,
    version: Version = None,
    latest: Annotated[
        bool, typer.Option("--latest", help="Match only the newest prediction of each id.")
    ] = False,
    unknown: Annotated[
        Path | None,
        typer.Option("--unknown", metavar="FILE", help="Write ids without a prediction to this file."),
    ] = None,
) -> None:
    """Store ground truth from a table in the database."""
    from mlpipes_cli.lifecycle.records import feedback as verb

    here = context.current
    found = verb.feedback(
        here.project(),
        here.resolve(file),
        here.console,
        id_column=id_column,
        value_column=value_column,
        model=model,
        version=version,
        latest=latest,
        unknown=unknown,
    )
    here.console.result(found, lambda: _reported(found))
    found.check()


def list_predictions(
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=10_000, metavar="N", help="The number of predictions.")
    ] = 20,
    model: Model = None,
    version: Version = None,
    alias: Alias = None,
    since: Since = None,
    until: Until = None,
) -> None:
    """List the newest predictions with their ground truth."""
    from mlpipes_cli.lifecycle.records import listing, log_context

    console = context.current.console
    chosen = log_context.selection(model=model, version=version, alias=alias, since=since, until=until)
    found = listing.newest(context.current.project(), chosen, limit)
    console.result(found, lambda: _listed(found))


def export(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The .parquet file to write.")
    ],
    model: Model = None,
    version: Version = None,
    alias: Alias = None,
    since: Since = None,
    until: Until = None,
    columns: Annotated[
        bool,
        typer.Option("--columns", help="One column input_NAME per input instead of one column of JSON text."),
    ] = False,
) -> None:
    """Write predictions with their ground truth to a Parquet file."""
    from mlpipes_cli.lifecycle.records import export as verb
    from mlpipes_cli.lifecycle.records import log_context

    console = context.current.console
    chosen = log_context.selection(model=model, version=version, alias=alias, since=since, until=until)
    found = verb.export(context.current.project(), console, chosen, output, flat=columns)
    console.result(found, lambda: f"{found.rows} predictions written to {found.file} ({found.bytes} bytes)")


def prune(
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="T", help="90d, or a date: removes older predictions.")
    ],
    model: Model = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show how many there are.")] = False,
) -> None:
    """Permanently remove old predictions and their ground truth."""
    from mlpipes_cli.lifecycle.records import prune as verb

    here = context.current
    found = verb.prune(here.project(), here.console, older_than, model=model, yes=yes, dry_run=dry_run)
    here.console.result(found, lambda: found.summary)


def replay() -> None:
    """Move predictions from the local spool into the database, without an API."""
    from mlpipes_cli.lifecycle.records import replay as verb

    here = context.current
    found = verb.replay(here.project(), here.console)
    here.console.result(found, lambda: found.summary)


def _reported(found: Reported) -> str:
    lines = [
        f"{found.rows} rows of {found.file} ({found.id_column} and {found.value_column}, "
        f"model {found.model}) in {found.seconds:.1f} s:",
        f"  {found.stored} truths stored, {found.corrected} corrected, {found.unchanged} unchanged",
    ]
    if found.without_value:
        lines.append(f"  {found.without_value} rows without a value")
    if found.unknown:
        shown = ", ".join(found.unknown_ids[:10]) + (", ..." if found.unknown > 10 else "")
        where = f"all in {found.unknown_file}" if found.unknown_file else shown
        lines.append(f"  {found.unknown} rows without a prediction: {where}")
    return "\n".join(lines)


def _listed(found: list[PredictionEntry]) -> RenderableType | str:
    if not found:
        return "no predictions are stored yet"
    table = FittedTable(
        (
            Column("made (UTC)", drop=4), Column("prediction id"), Column("id", least=12),
            Column("model", drop=3, least=10), Column("alias", drop=5), Column("prediction", least=10),
            Column("scores", drop=1, least=8), Column("truth", drop=2, least=8),
        )
    )  # fmt: skip
    for row in found:
        table.add(
            row.made_at[:19].replace("T", " "),
            row.prediction_id,
            row.caller_id or "",
            f"{row.model} {row.version}",
            row.alias if row.shadow_of is None else f"{row.alias} (mirrored)",
            _short(row.prediction),
            _scores(row.scores),
            "" if row.truth is None else _short(row.truth),
        )
    return table


def _scores(value: Any) -> str:
    values = value if isinstance(value, list) else [] if value is None else [value]
    return " ".join(f"{v:.4f}" if isinstance(v, (int, float)) else _short(v) for v in values[:6])


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:39]}…"


def register(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.command("feedback")(feedback)
    predictions = typer.Typer(no_args_is_help=True, help=_HELP)
    predictions.command("list")(list_predictions)
    predictions.command("export")(export)
    predictions.command("prune")(prune)
    predictions.command("replay")(replay)
    app.add_typer(predictions, name="predictions")
