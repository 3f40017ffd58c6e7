"""The list of command groups; each module adds its commands to the app."""

from __future__ import annotations

import importlib

import typer

GROUPS = (
    "init",
    "stack",
    "services",
    "projects",
    "data",
    "train",
    "packaging.environments",
    "registry",
    "report",
    "serve",
    "predictions",
    "performance",
    "monitor",
    "retrain",
    "automation.run",
    "keys",
    "packaging.build",
    "packaging.images",
    "packaging.export",
    "transfer",
    "demo",
)


def register(app: typer.Typer) -> None:
    """Add every command once, in the order in which help lists them."""
    if app.registered_commands:
        return
    for name in GROUPS:
        importlib.import_module(f"mlpipes_cli.cli.{name}").register(app)
