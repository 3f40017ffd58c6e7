"""The command line: builds the app, and is the single place that turns errors into exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException
from typer.models import CommandInfo

from mlpipes_cli import __version__
from mlpipes_cli.cli import context
from mlpipes_cli.cli.console import Console
from mlpipes_cli.errors import Interrupted, MlpipesError, UsageError, is_interrupt
from mlpipes_cli.suggest import did_you_mean

app = typer.Typer(
    name="mlpipes",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Train, promote, serve and monitor models from one command line.",
    epilog="Global options may be given before or after the command.",
)


@app.callback()
def _global(
    directory: Annotated[
        Path | None, typer.Option("-C", metavar="DIR", help="The project folder, or a folder inside it.")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print results as one JSON document.")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Show details.")] = False,
    no_color: Annotated[bool, typer.Option("--no-color", help="No colours.")] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            is_eager=True,
            callback=lambda v: _show_version(v),
            help="Print the version of mlpipes.",
        ),
    ] = False,
) -> None:
    context.current = context.Context(
        directory=directory,
        console=Console(json_output=json_output, verbose=verbose, color=False if no_color else None),
    )


def _show_version(asked: bool) -> None:
    if asked:
        sys.stdout.write(f"mlpipes {__version__}\n")
        raise typer.Exit


_FLAGS = {"--json", "-v", "--verbose", "--no-color"}


def hoist(arguments: Sequence[str]) -> list[str]:
    """Move the global options to the front, so that they can also follow the command."""
    global_options: list[str] = []
    rest: list[str] = []
    items = iter(arguments)
    for item in items:
        if item == "--":
            rest += [item, *items]
        elif item in _FLAGS:
            global_options.append(item)
        elif item == "-C":
            value = next(items, None)
            global_options += [] if value is None else [item, value]
            rest += [item] if value is None else []
        else:
            rest.append(item)
    return global_options + rest


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; an unexpected exception propagates with its traceback."""
    context.current = context.Context(None, Console())
    try:
        from mlpipes_cli.cli import commands

        commands.register(app)
        code = app(
            hoist(sys.argv[1:] if arguments is None else arguments),
            standalone_mode=False,
            prog_name="mlpipes",
        )
    except TyperException as error:
        return _wrong_usage(error)
    except MlpipesError as error:
        context.current.console.error(error)
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return _stopped()
    except BrokenPipeError:  # the reader of our output closed it, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if not is_interrupt(error):
            raise
        return _stopped()
    if code == Interrupted.exit_code:  # Typer returns this code for Ctrl-C, without a message
        return _stopped()
    return code if isinstance(code, int) else 0


def _stopped() -> int:
    context.current.console.info("stopped")
    return Interrupted.exit_code


def _wrong_usage(error: TyperException) -> int:
    """Print one line for arguments that the command line does not accept."""
    message = " ".join(getattr(error, "format_message", error.__str__)().split()).rstrip(".")
    if not message:  # no command at all: the help has been shown
        return 2
    command = getattr(getattr(error, "ctx", None), "command_path", "mlpipes")
    quoted = message.split("'")
    if message.startswith("No such command") and len(quoted) > 1:
        message = f"No such command '{quoted[1]}'"
        groups = [group.name for group in app.registered_groups if group.name]
        message += did_you_mean(quoted[1], [*map(_name_of, app.registered_commands), *groups])
    hint = "" if message.endswith("?") else f"see `{command} --help`"
    context.current.console.error(UsageError(message, hint))
    return UsageError.exit_code


def _name_of(command: CommandInfo) -> str:
    function = command.callback.__name__ if command.callback else ""
    return command.name or function.removesuffix("_command").replace("_", "-")
