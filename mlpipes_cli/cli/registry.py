"""``models``, ``promote``, ``rollback`` and ``history``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mlpipes_cli.cli import context
from mlpipes_cli.cli.views.tables import Column, FittedTable
from mlpipes_cli.lifecycle.promotion import verdict_lines

if TYPE_CHECKING:
    from rich.console import RenderableType

    from mlpipes_cli.lifecycle.promotion.history import HistoryRow
    from mlpipes_cli.lifecycle.promotion.listing import ModelRow
    from mlpipes_cli.lifecycle.promotion.verdict import Verdict
    from mlpipes_cli.lifecycle.trust.trust import TrustResult

Model = Annotated[
    str | None, typer.Option("--model", metavar="NAME", help="The registered model (mlpipes.yaml names it).")
]
To = Annotated[str, typer.Option("--to", metavar="ALIAS", help="The alias to move.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="A reason, kept in the history.")]


_MODELS = "List registered models with versions and aliases, or trust versions."


def models(ctx: typer.Context) -> None:
    """List models by name, newest version first."""
    if ctx.invoked_subcommand is not None:
        return
    from mlpipes_cli.lifecycle.promotion import listing

    console = context.current.console
    rows = listing.models(context.current.project())
    console.result(rows, lambda: _models_table(rows))


def trust(
    versions: Annotated[
        list[int] | None, typer.Argument(metavar="VERSION", help="Version numbers.", show_default=False)
    ] = None,
    model: Model = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All versions of --model, or of all models.")
    ] = False,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="A reason, kept with the version.")
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only list versions that are not trusted yet.")
    ] = False,
) -> None:
    """Trust the present files of versions not made by this project; loading a model runs its code."""
    from mlpipes_cli.errors import MlpipesError
    from mlpipes_cli.lifecycle.trust import trust

    console = context.current.console
    rows = trust.trust(
        context.current.project(),
        console,
        versions=versions or (),
        model=model,
        everything=everything,
        reason=reason,
        dry_run=dry_run,
    )
    console.result(rows, lambda: _trust_table(rows))
    failed = [row for row in rows if row.outcome == "failed"]
    if failed:
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        raise MlpipesError(
            f"version {failed[0].version} of {failed[0].model} cannot be trusted: {failed[0].reason}{more}"
        )


def promote(
    metric: Annotated[
        str | None, typer.Option("--metric", metavar="M", help="The metric that selects and compares runs.")
    ] = None,
    experiment: Annotated[
        str | None, typer.Option("--experiment", metavar="E", help="The experiment (default: the newest).")
    ] = None,
    run: Annotated[
        str | None, typer.Option("--run", metavar="RUN", help="A run id or a candidate (default: the best).")
    ] = None,
    to: To = "production",
    to_project: Annotated[
        str | None,
        typer.Option(
            "--to-project",
            metavar="URL",
            help="Copy the served version (or that of --run) to this project, promote it there.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the decision, change nothing.")] = False,
    reason: Reason = "",
) -> None:
    """Move the alias to the best run, if it passes the gates and beats the incumbent."""
    from mlpipes_cli.errors import Refused
    from mlpipes_cli.lifecycle.promotion.challenger import PromotionRequest

    console = context.current.console
    request = PromotionRequest(metric=metric, experiment=experiment, run=run, alias=to, reason=reason)
    if to_project is None:
        from mlpipes_cli.lifecycle.promotion import promote as verb

        verdict = verb.promote(context.current.project(), request, console, dry_run=dry_run)
    else:
        from pathlib import Path

        from mlpipes_cli.lifecycle.promotion.projects import promote as across

        project = context.current.project()
        verdict = across.promote(project, to_project, Path.cwd(), request, console, dry_run=dry_run)
    console.result(verdict, lambda: _verdict_table(verdict))
    if verdict.outcome == "refused":
        raise Refused(f"not promoted: {verdict.reason}", verdict.hint)


def rollback(model: Model = None, to: To = "production", reason: Reason = "") -> None:
    """Move the alias back to the version before."""
    from mlpipes_cli.lifecycle.promotion import rollback as verb

    console = context.current.console
    entry = verb.rollback(context.current.project(), console, model=model, alias=to, reason=reason)
    before = f"version {entry.from_version}" if entry.from_version else "no version"
    console.result(
        entry,
        lambda: f"{entry.alias} of {entry.model} went back from {before} to version {entry.to_version}",
    )


def history(model: Model = None) -> None:
    """Show every promotion and rollback, newest first: from the commit to the first answered request."""
    from mlpipes_cli.lifecycle.promotion import history as verb

    console = context.current.console
    entries = verb.history(context.current.project(), model=model)
    console.result(entries, lambda: _history_table(entries))


def _models_table(rows: list[ModelRow]) -> RenderableType | str:
    if not rows:
        return "no registered models yet; create one with `mlpipes promote`"
    table = FittedTable(
        (
            Column("model", least=12), Column("version", right=True), Column("alias", least=16),
            Column("metric", least=14), Column("candidate", least=10),
            Column("experiment", drop=2, least=10), Column("run"), Column("created (UTC)", drop=1),
        )
    )  # fmt: skip
    for row in rows:
        metric = f"{row.metric} {verdict_lines.number(row.value)}" if row.metric else ""
        if row.threshold is not None:
            metric += f"{', ' if metric else ''}threshold {row.threshold:.4g}"
        table.add(
            row.model,
            str(row.version),
            ", ".join(row.aliases),
            metric,
            row.candidate,
            row.experiment,
            row.run_id[:8],
            row.created[:19].replace("T", " "),
        )
    return table


def _trust_table(rows: list[TrustResult]) -> RenderableType | str:
    if not rows:
        return "no registered models yet; create one with `mlpipes promote`"
    table = FittedTable(
        (
            Column("model", least=12), Column("version", right=True), Column("outcome"), Column("run"),
            Column("files", drop=3, right=True), Column("bytes", drop=2, right=True),
            Column("checksum", drop=1), Column("because", drop=4, least=20),
        )
    )  # fmt: skip
    for row in rows:
        table.add(
            row.model,
            str(row.version),
            row.outcome,
            row.run_id[:8],
            str(row.files),
            str(row.size),
            row.digest[:12],
            row.reason,
        )
    return table


def _history_table(entries: list[HistoryRow]) -> RenderableType | str:
    if not entries:
        return "no promotions yet"
    table = FittedTable(
        (
            Column("when (UTC)"), Column("what"), Column("model", drop=2, least=8),
            Column("alias", least=20),
            Column("from", right=True), Column("to", right=True), Column("deployed", drop=4, right=True),
            Column("first answer", drop=3, right=True), Column("commit", drop=5),
            Column("trained (UTC)", drop=8), Column("metric", drop=6),
            Column("challenger", drop=6, right=True), Column("incumbent", drop=6, right=True),
            Column("who", drop=7, least=8), Column("image", drop=9, least=12),
            Column("reason", drop=1, least=12),
        )
    )  # fmt: skip
    for entry in entries:
        table.add(
            entry.when[:19].replace("T", " "),
            entry.kind if entry.state == "done" else f"{entry.kind} ({entry.state})",
            entry.model,
            f"{entry.alias} of {entry.to_project}" if entry.to_project else entry.alias,
            verdict_lines.version(entry.from_version),
            str(entry.to_version),
            _after(entry.when, entry.deployed_at),
            _after(entry.when, entry.first_answer_at),
            entry.commit[:8] + ("-dirty" if entry.commit.endswith("-dirty") else ""),
            entry.trained_at[:16].replace("T", " "),
            entry.metric,
            verdict_lines.number(entry.challenger),
            verdict_lines.number(entry.incumbent),
            entry.who,
            entry.image,
            entry.reason,
        )
    return table


def _after(moved: str, then: str) -> str:
    """Return how long after the move of the alias it was."""
    from datetime import datetime

    if not then:
        return ""
    seconds = (datetime.fromisoformat(then) - datetime.fromisoformat(moved)).total_seconds()
    for unit, size in (("d", 86_400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"+{seconds / size:.0f} {unit}"
    return f"{seconds:+.1f} s"


def _verdict_table(verdict: Verdict) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in verdict_lines.lines(verdict):
        table.add_row(Text(name), Text(value))
    refused = verdict.outcome == "refused"  # then the reason is the error that follows
    head = "refused" if refused else f"{verdict.outcome}: {verdict.reason}"
    return Group(Text(head), Text(), table)


def register(app: typer.Typer) -> None:
    """Add the commands of this group."""
    group = typer.Typer(invoke_without_command=True, help=_MODELS)
    group.callback(help=_MODELS)(models)
    group.command("trust")(trust)
    app.add_typer(group, name="models")
    app.command("promote")(promote)
    app.command("rollback")(rollback)
    app.command("history")(history)
