"""``performance``."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from mlpipes_cli.cli import context
from mlpipes_cli.cli.predictions import Alias, Model, Since, Until, Version
from mlpipes_cli.cli.views.tables import Column, FittedTable
from mlpipes_cli.lifecycle.reports.metric_cells import interval

if TYPE_CHECKING:
    from rich.console import RenderableType

    from mlpipes_cli.lifecycle.performance.performance import Performance, PerformanceRow
    from mlpipes_cli.ports.prediction_records import Period


class PeriodChoice(StrEnum):
    """The period by which metrics are grouped."""

    day = "day"
    week = "week"
    month = "month"
    all = "all"


_PERIODS: dict[PeriodChoice, Period | None] = {
    PeriodChoice.day: "day", PeriodChoice.week: "week", PeriodChoice.month: "month", PeriodChoice.all: None,
}  # fmt: skip


def performance(
    model: Model = None,
    version: Version = None,
    alias: Alias = None,
    period: Annotated[
        PeriodChoice, typer.Option("--period", help="Group by version and this period (UTC).")
    ] = PeriodChoice.month,
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", metavar="M", help="Show only this metric; may be repeated."),
    ] = None,
    since: Since = None,
    until: Until = None,
) -> None:
    """Show live metrics of predictions with ground truth, by version and period."""
    from mlpipes_cli.lifecycle.performance import performance
    from mlpipes_cli.lifecycle.records import log_context

    console = context.current.console
    chosen = log_context.selection(model=model, version=version, alias=alias, since=since, until=until)
    found = performance.performance(
        context.current.project(),
        console,
        chosen,
        period=_PERIODS[period],
        metrics=metric or (),
    )
    console.result(found, lambda: _performance(found))


def _performance(found: Performance) -> RenderableType | str:
    if not found.lines:
        return f"no predictions of model {found.model!r} in that period"
    from rich.console import Group
    from rich.text import Text

    table = FittedTable(
        (
            Column("version", right=True), Column(found.period or "all time"),
            Column("predictions", drop=3, right=True), Column("mirrored", drop=5, right=True),
            Column("with truth", drop=2, right=True), Column("positive", drop=4, right=True),
            Column("metric"), Column("live", right=True), Column("95 % interval"),
            Column("holdout", drop=1, right=True),
        )
    )  # fmt: skip
    for line in found.lines:
        rows = [
            (
                name,
                f"{value:.4f}",
                interval(line.intervals, name),
                f"{line.holdout[name]:.4f}" if name in line.holdout else "",
            )
            for name, value in line.metrics.items()
        ]
        for number, row in enumerate(rows or [("", "", "", "")]):
            table.add(*(_head(line) if number == 0 else ("",) * 6), *row)
        table.section()
    return Group(table, *(Text(note) for line in found.lines for note in _notes(line)))


def _head(line: PerformanceRow) -> tuple[str, ...]:
    share = "" if line.prevalence is None else f"{line.prevalence:.2%}"
    counts = (line.predictions, line.mirrored, line.with_truth)
    return str(line.version), line.period or "", *map(str, counts), share


def _notes(line: PerformanceRow) -> list[str]:
    where = f"version {line.version}" + (f", {line.period}" if line.period else "")
    notes = [f"{where}: {line.note}"] if line.note else []
    usable = line.with_truth - line.unusable
    if line.ids < usable:
        notes.append(f"{where}: {usable} rows of {line.ids} caller ids; the intervals count each id once")
    if line.unusable:
        notes.append(f"{where}: {line.unusable} rows left out: the model does not know their values")
    return notes


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("performance")(performance)
