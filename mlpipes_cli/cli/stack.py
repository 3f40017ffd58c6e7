"""Commands for the stack: up, down, restart, status, open, logs, doctor, env, psql."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from mlpipes_cli.cli import context
from mlpipes_cli.cli.views.tables import Column, FittedTable
from mlpipes_cli.services import catalog

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import RenderableType

    from mlpipes_cli.ports import Check, ServiceStatus, StackStatus

_TOOLS = catalog.optional(others=False)
_PAGES = sorted(definition.name for definition in catalog.built_in() if definition.page)


def register(app: typer.Typer) -> None:
    """Add the commands of this group."""
    for command in (up, down, restart, status, logs, doctor, env):
        app.command()(command)
    app.command("open")(open_command)
    app.command("psql", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(psql)


def up(
    runtime: Annotated[
        str | None,
        typer.Option("--runtime", metavar="R", help="docker, embedded, remote, or auto."),
    ] = None,
    extra: Annotated[
        str,
        typer.Option(
            "--with", metavar="NAMES", help=f"Additional services: {','.join(_TOOLS)}; none removes them."
        ),
    ] = "",
    auth: Annotated[
        bool | None, typer.Option("--auth/--no-auth", help="Require a user name and a password for MLflow.")
    ] = None,
) -> None:
    """Start or repair the stack and wait until every service answers."""
    from mlpipes_cli.lifecycle import stack

    here = context.current
    names = [name.strip() for name in extra.split(",") if name.strip()]
    result = stack.up(here.project(), here.console, runtime=runtime, extra=names, auth=auth)
    here.console.result(result, lambda: _services(result))


def down(
    volumes: Annotated[bool, typer.Option("--volumes", help="Also remove the data.")] = False,
    backups: Annotated[
        bool, typer.Option("--backups", help="With --volumes: also remove the backups in .mlpipes.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Stop the stack; the data is kept."""
    from mlpipes_cli.lifecycle import stack

    here = context.current
    stopped = stack.down(here.project(), here.console, volumes=volumes, backups=backups, yes=yes)
    here.console.result({"stopped": stopped, "removed": volumes})


def restart(
    service: Annotated[str | None, typer.Argument(help="postgres, mlflow, api, ... (default: all).")] = None,
) -> None:
    """Stop and start one service, or the whole stack, and wait until it answers."""
    from mlpipes_cli.lifecycle import stack

    here = context.current
    if service is None:
        everything = stack.restart_all(here.project(), here.console)
        here.console.result(everything, lambda: _services(everything))
        return
    result = stack.restart(here.project(), service, here.console)
    here.console.result(result, lambda: f"{result.name} answers at {result.url}")


def open_command(
    service: Annotated[str, typer.Argument(help=", ".join(_PAGES))],
    only_print: Annotated[bool, typer.Option("--print", help="Only print the URL.")] = False,
) -> None:
    """Open a service's page in the browser."""
    import webbrowser

    from mlpipes_cli.lifecycle import stack

    here = context.current
    page = stack.page(here.project(), service)
    here.console.result({"service": service, "url": page.url}, lambda: page.url)
    if page.hint:
        here.console.info(page.hint)
    if only_print:
        return
    try:
        opened = webbrowser.open(page.opened)
    except webbrowser.Error:
        opened = False
    if not opened:
        here.console.info("no browser found here; open the address in your own browser")


def status(
    show_secrets: Annotated[
        bool, typer.Option("--show-secrets", help="Show passwords and full URLs.")
    ] = False,
) -> None:
    """Show which services run, where, and since when."""
    from mlpipes_cli.lifecycle import stack

    here = context.current
    project = here.project()
    result = stack.status(project)
    if not show_secrets:
        here.console.result(result, lambda: _services(result))
        return
    secrets = stack.secrets(project)
    shown = {"status": result, "secrets": secrets}
    here.console.result(shown, lambda: _with_secrets(result, secrets))


def logs(
    services: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SERVICE]...", help="postgres, mlflow, ... (default: all)."),
    ] = None,
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="Follow the log until Ctrl-C, also across restarts.")
    ] = False,
    tail: Annotated[
        int | None, typer.Option("--tail", metavar="N", min=0, help="Only the last N lines.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="WHEN", help="Only later lines: 10m, 2h, 2026-11-21T10:00."),
    ] = None,
) -> None:
    """Show the log of a service, or of several, prefixed with their names."""
    from mlpipes_cli.lifecycle.logs import lines

    here = context.current
    for line in lines(here.project(), services or (), follow=follow, tail=tail, since=since):
        here.console.line(line)


def psql(arguments: typer.Context) -> None:
    """Open the project's database with psql; further arguments go to psql: `mlpipes psql -c "select 1"`."""
    import os

    from mlpipes_cli.lifecycle.psql import command

    words, environment = command(context.current.project(), arguments.args)
    os.execve(words[0], words, environment)  # noqa: S606


def doctor() -> None:
    """Check everything that could be wrong and show how to fix it."""
    from mlpipes_cli.lifecycle import stack

    here = context.current
    checks = stack.doctor(here.project())
    here.console.result({"checks": checks}, lambda: _checks(checks))
    if any(check.level == "fault" for check in checks):
        raise typer.Exit(1)


def env() -> None:
    """Print the environment variables that a notebook or another client needs."""
    from mlpipes_cli.lifecycle import stack

    here = context.current
    values = stack.environment(here.project())
    here.console.result(values, lambda: _exports(values))


def _exports(values: Mapping[str, str]) -> str:
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in values.items())


def _services(result: StackStatus) -> RenderableType:
    from rich.console import Group

    images = any(row.image for row in result.services)
    table = FittedTable(
        (
            Column("service"), Column("state"), Column("health", drop=3), Column("url"),
            Column("ports", drop=1),
            *([Column("image", drop=4, least=12)] if images else []),
            Column("uptime", drop=2, right=True), Column("memory", drop=5, right=True),
        ),
        title=f"{result.runtime} stack",
    )  # fmt: skip
    for row in result.services:
        image = [_short(row.image)] if images else []
        table.add(
            row.name, row.state, "" if row.health == "none" else row.health, row.url or "", _ports(row),
            *image, _duration(row.uptime), _size(row.memory),
            style="" if row.state == "running" else "red" if row.state == "failed" else "dim",
        )  # fmt: skip
    return Group(table, *(f"{row.name}: {row.detail}" for row in result.services if row.detail))


def _short(image: str) -> str:
    """Return an image's name and tag, without its registry and digest."""
    return image.partition("@")[0].rpartition("/")[2]


def _ports(row: ServiceStatus) -> str:
    """Return the ports on which a service is reached."""
    return ",".join(port.partition("->")[0].rpartition(":")[2] for port in row.ports)


def _with_secrets(result: StackStatus, secrets: Mapping[str, str]) -> RenderableType:
    from rich.console import Group

    return Group(_services(result), "", *(f"{name}={value}" for name, value in secrets.items()))


def _checks(checks: Sequence[Check]) -> RenderableType:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False)
    colors = {"ok": "green", "warning": "yellow", "fault": "red"}
    for check in checks:
        fix = f"\n[dim]->[/] {_plain(check.fix)}" if check.fix else ""
        level = f"[{colors[check.level]}]{check.level}[/]"
        table.add_row(level, check.name, _plain(check.found) + fix)
    return table


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} m"
    return f"{minutes} m {rest} s" if minutes else f"{rest} s"


def _size(size: int | None) -> str:
    return "" if size is None else f"{size / 1024**2:.0f} MB"
