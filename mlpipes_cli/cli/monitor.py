"""``monitor`` and ``watch``: checks of a model in use or of two files, their history and their alerts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from mlpipes_cli.cli import context
from mlpipes_cli.errors import UsageError

_HELP = "Compare what a model is asked with what it was trained on; exit with 3 on an alarm."
_OF_FILES = "Only with --reference and --current: "
Reference = Annotated[
    Path | None,
    typer.Option("--reference", metavar="FILE", help="A table of good rows; needs no project and no stack."),
]
Current = Annotated[Path | None, typer.Option("--current", metavar="FILE", help="The table to look at.")]


def monitor(
    ctx: typer.Context,
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME", help="The registered model.")
    ] = None,
    version: Annotated[
        int | None, typer.Option("--version", min=1, metavar="N", help="The version to check.")
    ] = None,
    alias: Annotated[
        str | None,
        typer.Option("--alias", metavar="A", help="Check the version of this alias, such as a challenger's."),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="T", help="Start of the window: 1d, 2026-11-21.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="T", help="Its end: 1h, 2026-11-21T10:00.")
    ] = None,
    rows: Annotated[
        int | None, typer.Option("--rows", metavar="N", help="The newest N predictions in place of --since.")
    ] = None,
    scheduled: Annotated[
        bool,
        typer.Option("--scheduled", help="Keep to the false alarms a year that mlpipes.yaml allows."),
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the report as a .html page.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite an output file that is not such a page.")
    ] = False,
    reference: Reference = None,
    current: Current = None,
    alpha: Annotated[
        float | None,
        typer.Option("--alpha", metavar="P", help=f"{_OF_FILES}the probability of a false alarm (0.05)."),
    ] = None,
    min_effect: Annotated[
        float | None,
        typer.Option("--min-effect", metavar="E", help=f"{_OF_FILES}the smallest change that matters (0.1)."),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option("--ignore", metavar="COLUMN", help=f"{_OF_FILES}do not compare it; may be repeated."),
    ] = None,
) -> None:
    """Run a check, unless a subcommand was called."""
    if ctx.invoked_subcommand is not None:
        return
    of_files = {"--alpha": alpha, "--min-effect": min_effect, "--ignore": ignore or None}
    of_project = {
        "--model": model, "--version": version, "--alias": alias, "--since": since, "--until": until,
        "--rows": rows, "--scheduled": scheduled or None,
    }  # fmt: skip
    here = context.current
    from mlpipes_cli.lifecycle.monitoring.report import Report

    report = None if output is None else Report(output, force)
    if reference is not None or current is not None:
        from mlpipes_cli.lifecycle.monitoring import files

        if reference is None or current is None:
            lacking = "--reference" if reference is None else "--current"
            raise UsageError(f"{lacking} is missing", "two files are compared: give both")
        _refuse(of_project, "is for the running project, not for two files")
        chosen = files.options(alpha, min_effect, ignore or ())
        found = files.compare_files(
            here.resolve(reference), here.resolve(current), chosen, here.console, report
        )
    else:
        from mlpipes_cli.lifecycle.monitoring import budget
        from mlpipes_cli.lifecycle.monitoring import monitor as verb
        from mlpipes_cli.lifecycle.monitoring.asked import Asked

        _refuse(of_files, "is for two files", "set it under `monitoring:` in mlpipes.yaml")
        asked = Asked(model=model, version=version, alias=alias, since=since, until=until, rows=rows)
        cause = budget.SCHEDULED if scheduled else verb.MANUAL
        found = verb.monitor(here.project(), here.console, asked, cause=cause, report=report)
    from mlpipes_cli.cli.views.monitored import monitored

    here.console.result(found, lambda: monitored(found))
    found.require()


def _refuse(given: Mapping[str, object], why: str, hint: str = "leave it out") -> None:
    for name, value in given.items():
        if value is not None:
            raise UsageError(f"{name} {why}", hint)


def history(
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME", help="Only checks of this registered model.")
    ] = None,
    version: Annotated[
        int | None, typer.Option("--version", min=1, metavar="N", help="Only checks of this version.")
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=10_000, metavar="N", help="The number of checks.")
    ] = 20,
) -> None:
    """List stored checks, the newest first, and how long an alarm lasts."""
    from mlpipes_cli.cli.views.monitored import checks
    from mlpipes_cli.lifecycle.monitoring import history as verb

    found = verb.history(context.current.project(), model=model, version=version, limit=limit)
    context.current.console.result(found, lambda: checks(found))


def alerts(
    test: Annotated[
        str | None, typer.Option("--test", metavar="NAME", help="Send a test message to this alert.")
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=10_000, metavar="N", help="The number of alerts.")
    ] = 20,
) -> None:
    """List the alerts that were sent or wait, the newest first, or send a test message."""
    from mlpipes_cli.cli.views.monitored import deliveries
    from mlpipes_cli.lifecycle.monitoring import alerts as verb

    project = context.current.project()
    found = verb.listed(project, limit=limit) if test is None else verb.test(project, test)
    context.current.console.result(found, lambda: deliveries(found))


def watch(
    once: Annotated[
        bool, typer.Option("--once", help="Make a check if one is due, send the alerts that are, and end.")
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(
            "--port", min=1, max=65535, metavar="N", help="Answer GET /health on this port of 127.0.0.1."
        ),
    ] = None,
) -> None:
    """Make the scheduled checks and send their alerts, until SIGTERM or Ctrl-C; one watcher at a time.

    As a service of the stack: `mlpipes up --with watch`.
    """
    from mlpipes_cli.lifecycle.monitoring import watch as verb

    here = context.current
    if once and port is not None:
        raise UsageError("--port is for a watcher that stays", "leave out --once or --port")
    if not once:
        verb.forever(here.project(), here.console, port=port)
        return
    from mlpipes_cli.cli.views.monitored import watched

    found = verb.once(here.project(), here.console)
    here.console.result(found, lambda: watched(found))


def register(app: typer.Typer) -> None:
    """Add the command and its subcommands."""
    group = typer.Typer(invoke_without_command=True, help=_HELP)
    group.callback()(monitor)
    group.command("history")(history)
    group.command("alerts")(alerts)
    app.add_typer(group, name="monitor", help=_HELP)
    app.command("watch")(watch)
