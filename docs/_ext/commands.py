"""The reference of commands, from the Typer app."""

import enum
from typing import Any

HEAD = """\
# Commands

This page is made from the command line itself: it says what `mlpipes COMMAND --help` says.

## Options of every command

{options}

`-C`, `--json`, `-v` and `--no-color` may stand before or after the command.

(exit-codes)=

## Exit codes

| code | raised as | means |
| --- | --- | --- |
| 0 | | Done. |
{codes}

"""


def page() -> str:
    """The page, as Markdown."""
    import typer.main

    from mlpipes_cli.cli import app, commands

    commands.register(app.app)
    root: Any = typer.main.get_command(app.app)
    parts = [HEAD.format(options=_options(root), codes=_codes())]
    for name, command in root.commands.items():
        parts += _command(f"mlpipes {name}", command, 2)
    return "\n".join(parts)


def _codes() -> str:
    from mlpipes_cli import errors

    rows = []
    for kind in (errors.MlpipesError, errors.UsageError, errors.Refused, errors.Interrupted):
        said = (kind.__doc__ or "").splitlines()[0].partition(" (exit code")[0]
        rows.append(f"| {kind.exit_code} | `{kind.__name__}` | {said}. |")
    return "\n".join(rows)


def _command(path: str, command: Any, level: int) -> list[str]:
    about = " ".join((command.help or "").split("\f")[0].split("\n\n")[0].split())
    rest = ["\n".join(block.split("\n")) for block in (command.help or "").split("\n\n")[1:]]
    inner = getattr(command, "commands", None)
    lines = [f"{'#' * level} `{path}`", "", about, "", *[f"{block}\n" for block in rest]]
    if inner is None:
        lines += ["```text", _usage(path, command), "```", ""]
        if table := _options(command):
            lines += [table, ""]
    for name, one in (inner or {}).items():
        lines += _command(f"{path} {name}", one, level + 1)
    return lines


def _usage(path: str, command: Any) -> str:
    words = [path]
    options = [p for p in command.params if p.param_type_name == "option" and not p.hidden]
    if options:
        words.append("[OPTIONS]")
    for param in command.params:
        if param.param_type_name == "argument":
            name = _metavar(param)
            name += "..." if param.nargs == -1 and not name.endswith("...") else ""
            words.append(name if param.required else f"[{name.strip('[]')}]")
    return " ".join(words)


def _metavar(param: Any) -> str:
    return str(param.metavar or (param.name or "").upper())


def _options(command: Any) -> str:
    rows = []
    for param in command.params:
        if getattr(param, "hidden", False):
            continue
        if param.param_type_name == "argument":
            name = f"`{_metavar(param)}`"
        else:
            flag = getattr(param, "is_flag", False)
            words = [*param.opts, *param.secondary_opts]
            name = ", ".join(f"`{word}`" for word in words) + ("" if flag else f" `{_value(param)}`")
        rows.append(f"| {name} | {_escape(param.help or '')} | {_default(param)} |")
    return "\n".join(["| option | does | default |", "| --- | --- | --- |", *rows]) if rows else ""


def _value(param: Any) -> str:
    if param.metavar:
        return str(param.metavar)
    kind = getattr(param.type_descriptor, "annotation", str)
    if issubclass(kind, enum.Enum):
        return "\\|".join(str(choice.value) for choice in kind)
    return {str: "TEXT", int: "NUMBER", float: "NUMBER"}.get(kind, kind.__name__.upper())


def _default(param: Any) -> str:
    value = param.default
    if param.required:
        return "required"
    if value is None or value is False or value in ((), [], "") or callable(value):
        return ""
    return "on" if value is True else f"`{getattr(value, 'value', value)}`"


def _escape(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
