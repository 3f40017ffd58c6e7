"""``mlpipes data``: from a source to checked, clean, split and versioned tables."""

from __future__ import annotations

import importlib

import typer

_HELP = "Data sets: from a source to checked, clean, split and versioned tables."
MODULES = ("infer", "load", "check", "prepare", "profile", "versions", "diff")  # in the order of the help


def register(app: typer.Typer) -> None:
    """Add the commands of this group."""
    data = typer.Typer(no_args_is_help=True, help=_HELP)
    for name in MODULES:
        importlib.import_module(f"{__name__}.{name}").register(data)
    app.add_typer(data, name="data")
