"""Display of pipelines: a run while it lasts, its end, and stored runs."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mlpipes_cli.cli.console import Console
from mlpipes_cli.cli.views.tables import Column, FittedTable

if TYPE_CHECKING:
    from rich.console import RenderableType

    from mlpipes_cli.lifecycle.pipelines.listing import RunDetail, RunEntry
    from mlpipes_cli.lifecycle.pipelines.result import PipelinePlan, PipelineResult
    from mlpipes_cli.lifecycle.pipelines.run import RunProgress
    from mlpipes_cli.ports.automation.pipeline_runs import StepRun

_COLOURS = {
    "done": "green", "failed": "red", "refused": "yellow", "running": "cyan", "skipped": "dim",
    "stopped": "yellow", "waiting": "dim",
}  # fmt: skip


class _Lines:
    """Prints a line for each change if the output is not interactive."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._seen: dict[str, tuple[str, int, str]] = {}

    def show_steps(self, steps: tuple[StepRun, ...]) -> None:
        for step in steps:
            now = (step.status, step.tries, step.reason)
            known = self._seen.get(step.name)
            self._seen[step.name] = now
            if step.status == "waiting" or now == known or (step.status == "running" and not step.tries):
                continue
            if known is None and step.status in ("done", "skipped"):
                continue  # it was so from the beginning
            self._console.info(line(step))


class _Live:
    """Draws a table that is updated in place."""

    def __init__(self) -> None:
        self._steps: tuple[StepRun, ...] = ()

    def show_steps(self, steps: tuple[StepRun, ...]) -> None:
        self._steps = steps

    def table(self) -> FittedTable:
        table = FittedTable(
            (Column("step", least=10), Column("status"), Column("seconds", right=True), Column("", least=10))
        )
        for step in self._steps:
            seconds = step.seconds
            if step.status == "running" and step.started_at is not None:
                seconds = (datetime.now(UTC) - step.started_at).total_seconds()
            style = {1: _COLOURS[step.status]}
            table.add(step.name, step.status, _seconds(seconds), step.reason, styles=style)
        return table


@contextlib.contextmanager
def progress(console: Console) -> Iterator[RunProgress]:
    """Follow the steps: a table on a terminal, lines elsewhere."""
    if not console.interactive:
        yield _Lines(console)
        return
    live = _Live()
    with console.live(live.table):
        yield live


def line(step: StepRun) -> str:
    """Return what is said of a step whose state changed."""
    if step.status == "running":
        again = f", try {step.tries}" if step.tries > 1 else ""
        return f"{step.name}: {step.reason}" if step.reason else f"{step.name}: started{again}"
    after = "" if step.seconds is None else f" in {_seconds(step.seconds)} s"
    code = f", exit code {step.exit}" if step.exit and not step.reason.startswith("exit code") else ""
    return f"{step.name}: {step.status}{after}{code}{': ' + step.reason if step.reason else ''}"


def finished(found: PipelineResult) -> FittedTable:
    """Return the table of a run that has ended."""
    table = _steps_table(f"pipeline {found.pipeline}, run {found.run}: {found.status}")
    for step in found.steps:
        code = "" if step.exit is None else str(step.exit)
        cells = (step.name, step.status, code, _seconds(step.seconds), str(step.tries or ""), step.reason)
        table.add(*cells, styles={1: _COLOURS[step.status]})
    return table


def planned(plan: PipelinePlan) -> FittedTable:
    """Return the table of a dry run."""
    table = FittedTable(
        (Column("step", least=10), Column("needs", least=8, drop=1), Column("command", least=20))
    )
    table.title = f"pipeline {plan.pipeline}" + (f", run {plan.run}" if plan.run else "")
    for step in plan.steps:
        command = shlex.join(step.command)
        if step.status != "waiting":
            command = f"{step.status}{': ' + step.reason if step.reason else ''}"
        table.add(step.name, ", ".join(step.needs), command)
    return table


def listed(found: Sequence[RunEntry]) -> RenderableType | str:
    """Return the table of stored runs."""
    if not found:
        return "no pipeline ran yet; `mlpipes run` runs one"
    table = FittedTable(
        (
            Column("run", least=36), Column("pipeline", least=8), Column("status"),
            Column("started (UTC)", drop=1),
            Column("seconds", right=True, drop=2), Column("steps", least=8), Column("by", drop=3),
        )
    )  # fmt: skip
    for run in found:
        counts: dict[str, int] = {}
        for status in run.steps.values():
            counts[status] = counts.get(status, 0) + 1
        steps = ", ".join(f"{count} {status}" for status, count in counts.items())
        started = run.started_at[:19].replace("T", " ")
        cells = (run.run, run.pipeline, run.status, started, _seconds(run.seconds), steps, run.actor)
        table.add(*cells, styles={2: _COLOURS[run.status]})
    return table


def detailed(found: RunDetail) -> str:
    """Return a run with its steps and their logs as text."""
    lines = [
        f"pipeline {found.pipeline}, run {found.run}: {found.status}",
        f"started {found.started_at}, ended {found.ended_at or '-'}, by {found.actor} on {found.host}",
    ]
    for step in found.steps:
        code = "" if step.exit is None else f", exit code {step.exit}"
        after = "" if step.seconds is None else f" in {_seconds(step.seconds)} s"
        tries = f", {step.tries} tries" if step.tries > 1 else ""
        lines += [
            "",
            f"{step.name}: {step.status}{after}{code}{tries}{': ' + step.reason if step.reason else ''}",
        ]
        lines += [f"  {text}" for text in step.log]
    if found.logs is not None:
        lines += ["", f"whole logs: {found.logs}"]
    return "\n".join(lines)


def _steps_table(title: str) -> FittedTable:
    return FittedTable(
        (
            Column("step", least=10), Column("status"), Column("exit", right=True),
            Column("seconds", right=True), Column("tries", right=True, drop=1), Column("reason", least=10),
        ),
        title=title,
    )  # fmt: skip


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
