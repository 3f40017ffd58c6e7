"""Display of training progress and leaderboards."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlpipes_cli import metric_catalog, mlflow_tags
from mlpipes_cli.cli.console import Console
from mlpipes_cli.cli.views.tables import Column, FittedTable
from mlpipes_cli.lifecycle.reports.metric_cells import interval, number

if TYPE_CHECKING:
    from rich.console import RenderableType

    from mlpipes_cli.lifecycle.leaderboard import Board
    from mlpipes_cli.lifecycle.training import CandidateResult, DryRun, TrainingReport
    from mlpipes_cli.metric_catalog import Task
    from mlpipes_cli.ports import CandidateState, TrainingProgress

_COLOURS = {
    "finished": "green",
    "cached": "green",
    "failed": "red",
    "killed": "red",
    "running": "cyan",
}


class _Lines:
    """Prints a line for each change if the output is not interactive."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._seen: dict[str, CandidateState] = {}

    def show(self, states: Sequence[CandidateState], metric: str) -> None:
        for state in states:
            before = self._seen.get(state.name)
            self._seen[state.name] = state
            if state.state == "waiting" or state == before:
                continue
            if before is None or before.state != state.state:
                if state.state != "storing":
                    self._console.info(_line(state, metric))
            elif state.stage:
                self._console.detail(f"{state.name}: {state.stage}")


class _Live:
    """Draws a table that is updated in place."""

    def __init__(self) -> None:
        self._states: Sequence[CandidateState] = ()
        self._metric = ""

    def show(self, states: Sequence[CandidateState], metric: str) -> None:
        self._states, self._metric = states, metric

    def table(self) -> FittedTable:
        table = FittedTable(
            (
                Column("candidate", least=12),
                Column("state", least=9),
                Column("seconds", right=True),
                Column(self._metric or "metric", right=True),
            )
        )
        for state in self._states:
            doing = f"{state.state}: {state.stage}" if state.stage else state.state
            seconds = state.seconds
            if seconds is None and state.started is not None:
                seconds = time.monotonic() - state.started
            cells = (state.name, doing, _seconds(seconds), number(state.value))
            table.add(*cells, styles={1: _COLOURS.get(state.state, "dim")})
        return table


@contextlib.contextmanager
def progress(console: Console) -> Iterator[TrainingProgress]:
    """Follow the candidates: a table on a terminal, lines elsewhere."""
    if not console.interactive:
        yield _Lines(console)
        return
    live = _Live()
    with console.live(live.table):
        yield live


def _line(state: CandidateState, metric: str) -> str:
    if state.state == "finished":
        return f"{state.name}: finished in {_seconds(state.seconds)} s, {_value(metric, state.value)}"
    if state.state == "cached":
        return f"{state.name}: cached, {_value(metric, state.value)}"
    return f"{state.name}: {state.state}{': ' + state.error if state.error else ''}"


def _value(metric: str, value: float | None) -> str:
    return f"no {metric}" if value is None else f"{metric} {number(value)}"


def plan_table(plan: DryRun) -> FittedTable:
    """Return the table of a dry run."""
    table = FittedTable(
        (
            Column("candidate", least=12),
            Column("trainer", least=10),
            Column("trains", drop=1, least=16),
            Column("params", least=16),
        )
    )
    labels = f", classes {', '.join(map(str, plan.classes))}" if plan.classes else ""
    positive = f" (positive: {plan.positive})" if plan.positive is not None else ""
    table.title = f"{plan.experiment}: {plan.task}{labels}{positive}"
    of = f" of {plan.dataset}" if plan.dataset is not None else ""
    tuned = f"{plan.validation} to tune on, " if plan.validation else ""
    table.caption = (
        f"{plan.rows} rows{of}, {plan.train} to train on, {tuned}{plan.holdout} held out, "
        f"{plan.features} features; "
        f"{plan.metric} selects the best; data {plan.fingerprint[:12]}; nothing was trained"
    )
    for item in plan.candidates:
        params = ", ".join(f"{name}={value}" for name, value in item["params"].items())
        if item["trials"]:
            params += f"{'; ' if params else ''}search of {item['trials']} trials"
        if item["threshold"] is not None:
            params += f"{'; ' if params else ''}threshold by {_rule(item['threshold'])}"
        table.add(item["name"], item["trainer"], item["trains"], params)
    return table


def report_table(report: TrainingReport) -> RenderableType:
    """Return a session's leaderboard, with the reasons why candidates failed or lack the metric."""
    results = report.ranked
    best = report.best.name if report.best else None
    table = _results_table(results, report.task, report.metric, best)
    table.title = f"{report.experiment} by {report.metric}"
    return _with_notes(table, results, report.metric)


def board_table(board: Board) -> RenderableType:
    """Return an experiment's leaderboard, with the reasons why candidates failed or lack the metric."""
    notes = {
        entry.result.run_id or "": ", ".join([f"version {entry.version}", *entry.aliases])
        for entry in board.entries
        if entry.version is not None
    }
    results = [entry.result for entry in board.entries]
    table = _results_table(results, board.task, board.metric, board.best, notes)
    table.title = f"{board.experiment} by {board.metric}"
    return _with_notes(table, results, board.metric)


def elsewhere(board: Board) -> str:
    """Return a message that runs were scored on other holdouts, and how to see them."""
    runs = sum(other.runs for other in board.others)
    shown = ", ".join(other.fingerprint[:12] for other in board.others[:3])
    more = ", ..." if len(board.others) > 3 else ""
    runs_used = f"{runs} run{'' if runs == 1 else 's'} of {board.experiment} used"
    return f"{runs_used} other holdouts and cannot be compared with these (--holdout: {shown}{more})"


def strangers(board: Board) -> str:
    """Return a message that there are runs which are not ranked."""
    one = board.strangers == 1
    message = (
        f"{board.strangers} run{'' if one else 's'} of {board.experiment} {'is' if one else 'are'} not ranked"
    )
    return f"{message}: `mlpipes train` did not make {'it' if one else 'them'}"


def _with_notes(table: FittedTable, results: Sequence[CandidateResult], metric: str) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    broken = [result for result in results if result.status != "FINISHED"]
    lines = [Text(f"{r.name}: {r.error or r.status.lower()}", style="red") for r in broken]
    without = [r for r in results if r.status == "FINISHED" and metric not in r.metrics]
    lines += [
        Text(f"{r.name}: no {metric}: {metric_catalog.why_missing(metric, r.metrics)}") for r in without
    ]
    return Group(table, *lines)


def _results_table(
    results: Sequence[CandidateResult],
    task: Task,
    metric: str,
    best: str | None,
    notes: Mapping[str, str] | None = None,
) -> FittedTable:
    others = _others(task, metric)
    validated = any(metric in result.cross_validated for result in results)
    folds = [Column(mlflow_tags.cross_validated(metric), drop=2, right=True)] if validated else []
    cut = [Column("threshold", drop=2, right=True)] if any(r.threshold is not None for r in results) else []
    table = FittedTable(
        (
            Column(""),
            Column("candidate", least=12),
            Column(metric, right=True),
            Column("95 % interval", drop=1),
            *folds,
            *(Column(name, drop=3, right=True) for name in others),
            *cut,
            Column("seconds", drop=2, right=True),
            Column("status", least=34),
            Column("run"),
        )
    )
    for position, result in enumerate(results):
        mark = "*" if result.name == best and position == 0 else ""
        status = "cached" if result.cached else result.status.lower()
        note = (notes or {}).get(result.run_id or "")
        between = interval(result.intervals, metric)
        means = [number(result.cross_validated.get(metric))] if validated else []
        values = [number(result.metrics.get(name)) for name in (metric, *others)]
        at = ["" if result.threshold is None else f"{result.threshold:.4g}"] if cut else []
        table.add(
            mark, result.name, values[0], between, *means, *values[1:], *at, _seconds(result.seconds),
            f"{status}; {note}" if note else status, (result.run_id or "")[:8],
        )  # fmt: skip
    return table


def _others(task: Task, metric: str) -> list[str]:
    """Return two more metrics to show; they depend only on the task, not on the candidates."""
    return [entry.name for entry in metric_catalog.BY_TASK[task] if entry.name != metric][:2]


def _rule(rule: Any) -> str:
    """Format a threshold rule as in the experiment file."""
    if not isinstance(rule, Mapping):
        return str(rule)
    return ", ".join(f"{name} {_rule(value)}" for name, value in rule.items())


def _seconds(value: Any) -> str:
    return "" if value is None else f"{value:.1f}"
