"""``data check``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlpipes_cli.cli import context
from mlpipes_cli.cli.views.tables import Column, FittedTable

if TYPE_CHECKING:
    from rich.console import RenderableType

    from mlpipes_cli.lifecycle.datasets.check import Checked
    from mlpipes_cli.ports.data_sets.datasets import CheckRun


def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The data set's file.")] = Path("dataset.yaml"),
    history: Annotated[bool, typer.Option("--history", help="List earlier results; check nothing.")] = False,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=10_000, metavar="N", help="The number of earlier results.")
    ] = 20,
) -> None:
    """Check the loaded rows against the file; exit with 3 if a check fails."""
    from mlpipes_cli.lifecycle.datasets import check as verb

    here = context.current
    if history:
        runs = verb.history(here.project(), here.resolve(file), limit)
        here.console.result(runs, lambda: _runs(runs))
        return
    found = verb.check(here.project(), here.resolve(file), here.console)
    here.console.result(found, lambda: _checked(found))
    found.require()


def _checked(found: Checked) -> RenderableType | str:
    if not found.checks:
        return "the file expects nothing: add `columns` or `checks`"
    table = FittedTable(
        (
            Column("check", least=16),
            Column("result"),
            Column("wrong", right=True),
            Column("examples", least=10, drop=1),
        )
    )
    for result in found.checks:
        examples = " ".join(_example(row) for row in result.examples)
        style = {} if result.ok else {1: "red"}
        table.add(result.check, "ok" if result.ok else "failed", str(result.wrong), examples, styles=style)
    return table


def _example(row: Any) -> str:
    if "_row" not in row:
        return json.dumps(row, ensure_ascii=False, default=str)
    rest = {name: value for name, value in row.items() if name != "_row"}
    return f"row {row['_row']}: {json.dumps(rest, ensure_ascii=False, default=str)}"


def _runs(runs: list[CheckRun]) -> RenderableType | str:
    if not runs:
        return "the data set was not checked yet"
    table = FittedTable(
        (
            Column("checked (UTC)"),
            Column("load", right=True),
            Column("result"),
            Column("failed", least=10),
            Column("by", drop=1),
        )
    )
    for run in runs:
        failed = ", ".join(f"{result.check} ({result.wrong})" for result in run.results if not result.ok)
        moment = run.checked_at.isoformat(timespec="seconds")[:19].replace("T", " ")
        table.add(moment, str(run.load), "ok" if run.ok else "failed", failed, run.actor)
    return table


def register(data: typer.Typer) -> None:
    """Add the command."""
    data.command("check")(check)
