"""Commands for a single service: stop, start, shell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mlpipes_cli.cli import context

if TYPE_CHECKING:
    from mlpipes_cli.ports import ServiceStatus

_Service = Annotated[str, typer.Argument(help="postgres, mlflow, api, ...")]


def register(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.command()(stop)
    app.command()(start)
    app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(shell)


def stop(service: _Service) -> None:
    """Stop one service; its data stays, and `mlpipes start` or `mlpipes up` starts it again."""
    from mlpipes_cli.lifecycle import single_service

    here = context.current
    halted = single_service.stop(here.project(), service, here.console)
    here.console.result(halted, lambda: f"stopped: {service}" if halted.changed else f"{service} did not run")


def start(service: _Service) -> None:
    """Start one service, and what it needs, and wait until it answers."""
    from mlpipes_cli.lifecycle import single_service

    here = context.current
    row = single_service.start(here.project(), service, here.console)
    here.console.result(row, lambda: _answers(row))


def _answers(row: ServiceStatus) -> str:
    return f"{row.name} answers at {row.url}" if row.url else f"{row.name} runs"


def shell(arguments: typer.Context, service: _Service) -> None:
    """Open a shell in a service's container, or run a command there: `mlpipes shell minio -- ls /data`."""
    from mlpipes_cli.lifecycle import single_service

    raise typer.Exit(single_service.shell(context.current.project(), service, arguments.args))
